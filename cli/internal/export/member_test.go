package export

import (
	"strings"
	"testing"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestAnAgentIsAskedWhereItsGatewayIs(t *testing.T) {
	for _, tt := range []struct{ agent, proxy, want string }{
		{"[::]:7453", "gateway-1:8000", "gateway-1:7453"},
		{"127.0.0.1:7453", "gateway-1:8000", "gateway-1:7453"},
		{"10.0.0.1:7453", "10.0.0.2:8000", "10.0.0.1:7453"},
		{"[::]:7453", "", "[::]:7453"},
		{"", "gateway-1:8000", ""},
	} {
		if got := AgentAddress(&registryv1.Node{AgentAddress: tt.agent, ProxyAddress: tt.proxy}); got != tt.want {
			t.Errorf("the agent at %q beside %q is asked at %q, want %q", tt.agent, tt.proxy, got, tt.want)
		}
	}
}

func TestNodesAreWrittenAsTheyAre(t *testing.T) {
	const (
		up   = iota
		zero // HAProxy's weight 0
		out  // HAProxy's disabled
	)
	drain, quarantine := &registryv1.Drain{Reason: "new disk"}, &registryv1.Quarantine{Reason: "old plugin"}
	serves, ready := &fleetv1.NodeStatus{Revision: 3}, &fleetv1.NodeStatus{Revision: 3, GatewayReady: true}
	for _, tt := range []struct {
		name    string
		node    *registryv1.Node
		alone   bool // no other gateway of its group is ready
		haproxy int
		nginx   bool // is up
		remark  string
	}{
		{name: "ready", node: &registryv1.Node{State: registryv1.Node_STATE_READY, Status: ready}, haproxy: up, nginx: true},
		{name: "drained by an operator, and its agent has not heard it", haproxy: zero, remark: "drained",
			node: &registryv1.Node{State: registryv1.Node_STATE_READY, Status: ready, Drain: drain}},
		{name: "drained, and not ready", haproxy: zero, remark: "drained",
			node: &registryv1.Node{State: registryv1.Node_STATE_DEGRADED, Status: serves, Drain: drain}},
		{name: "its agent is about to stop", haproxy: zero, remark: "drained",
			node: &registryv1.Node{State: registryv1.Node_STATE_DRAINING, Status: ready}},
		{name: "drained, and the only one", haproxy: zero, alone: true, remark: "drained",
			node: &registryv1.Node{State: registryv1.Node_STATE_DRAINING, Status: ready}},
		{name: "its Kong is not ready", haproxy: out, remark: "not ready",
			node: &registryv1.Node{State: registryv1.Node_STATE_DEGRADED, Status: serves}},
		{name: "its Kong is not ready, and nobody else's is", haproxy: up, nginx: true, alone: true,
			node: &registryv1.Node{State: registryv1.Node_STATE_DEGRADED, Status: serves}},
		{name: "never served anything", node: &registryv1.Node{State: registryv1.Node_STATE_JOINING}, haproxy: out, remark: "not ready"},
		{name: "never served anything, and nobody else did", alone: true, haproxy: up,
			node: &registryv1.Node{State: registryv1.Node_STATE_JOINING}},
		{name: "serves with a condition, which is for the check to judge", haproxy: up,
			node: &registryv1.Node{State: registryv1.Node_STATE_DEGRADED, Status: ready}},
		{name: "the registry does not hear from it, the balancer may", haproxy: up,
			node: &registryv1.Node{State: registryv1.Node_STATE_UNREACHABLE, Status: serves}},
		{name: "a state of a later registry", node: &registryv1.Node{State: 99, Status: serves}, haproxy: up},
		{name: "unmanaged", node: &registryv1.Node{State: registryv1.Node_STATE_UNMANAGED}, haproxy: up, nginx: true},
		{name: "in quarantine it keeps serving", haproxy: up, nginx: true, remark: "quarantined",
			node: &registryv1.Node{State: registryv1.Node_STATE_READY, Status: ready, Quarantine: quarantine}},
		{name: "in quarantine and drained", haproxy: zero, remark: "drained",
			node: &registryv1.Node{State: registryv1.Node_STATE_READY, Status: ready, Quarantine: quarantine, Drain: drain}},
	} {
		tt.node.Group, tt.node.Name, tt.node.ProxyAddress, tt.node.AgentAddress = "edge", "gw-1", "10.0.0.1:8000", "10.0.0.1:7453"
		nodes := []*registryv1.Node{tt.node}
		if !tt.alone {
			nodes = append(nodes, node("edge", "gw-2", "10.0.0.2:8000", "10.0.0.2:7453", registryv1.Node_STATE_READY))
		}
		members, problems := membersOf(nodes)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		var s servers
		server := lineWith(t, string(s.haproxy("", members)), "gw-1")
		got := up
		if strings.Contains(server, " weight 0 ") {
			got = zero
		} else if strings.Contains(server, " disabled ") {
			got = out
		}
		_, remark, _ := strings.Cut(server, " # ")
		if got != tt.haproxy || remark != tt.remark || !strings.Contains(server, " check port 7453") {
			t.Errorf("%s: %q", tt.name, server)
		}
		server = lineWith(t, string(s.nginx("", members)), "gw-1")
		if strings.Contains(server, " down;") == tt.nginx {
			t.Errorf("%s: %q", tt.name, server)
		}
	}
}

func lineWith(t *testing.T, text, word string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatalf("no line has %q:\n%s", word, text)
	return ""
}
