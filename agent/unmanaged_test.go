package agent_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/inventory"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

const before = `_format_version: "3.0"
routes:
- paths: [/old]
  plugins:
  - {name: request-termination, config: {status_code: 200, message: old}}
- name: named
  paths: [/named]
  plugins:
  - {name: request-termination, config: {status_code: 200, message: named}}
`

// newUnmanaged is a node whose gateway was started from a file of its own.
func newUnmanaged(t *testing.T) *node {
	dir := t.TempDir()
	file := dir + "/kong.yml"
	if err := os.WriteFile(file, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, kongtest.DeclarativeConfig(file))
	n.config.BootFile = file
	return n
}

func (n *node) bootFile(suffix string) string {
	text, err := os.ReadFile(n.config.BootFile + suffix)
	if err != nil && !os.IsNotExist(err) {
		n.t.Fatal(err)
	}
	return string(text)
}

func replacing(t *testing.T, nonce uint64, revision, decision int64, to *snapshot.Snapshot,
	replaces ...string) *distributorv1.FollowAssignmentResponse {
	m := controlplanetest.Directive(t, nonce, revision, decision, nil, to, 1<<20)[0]
	m.GetDirective().ReplacesUnmanaged = replaces
	return m
}

func TestAnUnmanagedGatewayIsReadyAndLeftAlone(t *testing.T) {
	n := newUnmanaged(t)
	n.started()
	n.until("it is known what it serves", func() bool { u := n.agent.Status().Unmanaged; return u != nil && u.Entities == 4 })
	if got := status("http://" + n.agent.HTTPAddress() + "/readyz"); got != http.StatusOK {
		t.Errorf("/readyz %d", got)
	}
	n.direct(1, 10, nil, controlplanetest.Routes(t, "a", "named"))
	o := n.outcome()
	if o.GetFailure().GetReason() != distributorv1.Failure_REASON_UNMANAGED ||
		!strings.Contains(o.GetFailure().GetMessage(), "would lose plugin request-termination of route /old, route /old") {
		t.Fatalf("outcome %v", o)
	}
	if n.proxied("/old") != http.StatusOK || n.proxied("/a") != http.StatusNotFound {
		t.Error("the gateway was not left alone")
	}
	if n.bootFile("") != before {
		t.Error("the boot file was written over")
	}
	if got := status("http://" + n.agent.HTTPAddress() + "/readyz"); got != http.StatusOK {
		t.Errorf("/readyz %d after a directive", got)
	}
	n.until("the registry knows it", func() bool { return n.controlPlane.LastStatus().GetUnmanaged().GetReason() != "" })
	n.until("its inventory is there", func() bool { return n.controlPlane.Inventory() != nil })
	told := n.controlPlane.LastStatus().GetUnmanaged()
	i, err := inventory.Unpack(n.controlPlane.Inventory().GetZstd(), fleet.Digest(told.GetServed()))
	if err != nil || i.String() != "2 plugins, 2 routes" {
		t.Errorf("inventory %v, %v", i, err)
	}

	// A restart of the agent changes nothing; nor does one of the gateway.
	n.stop()
	n.started()
	n.until("it is unmanaged again", func() bool { return n.agent.Status().Unmanaged != nil })
	n.kong.Kill()
	if err := n.kong.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.until("it is unmanaged after a restart", func() bool { s := n.agent.Status(); return s.GatewayReady && s.Unmanaged != nil })
	n.direct(2, 11, nil, controlplanetest.Routes(t, "b"))
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_UNMANAGED || n.proxied("/old") != http.StatusOK {
		t.Errorf("outcome %v", o)
	}
}

func TestAnUnmanagedGatewayLosesWhatWasMeant(t *testing.T) {
	n := newUnmanaged(t)
	n.started()
	n.until("it is known what it serves", func() bool { u := n.agent.Status().Unmanaged; return u != nil && u.Entities == 4 })
	served := n.agent.Status().Unmanaged.Served
	n.nonce++
	n.controlPlane.Send(t, replacing(t, n.nonce, 1, 10, controlplanetest.Routes(t, "a"), "sha256:"+strings.Repeat("0", 64)))
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_UNMANAGED {
		t.Fatalf("outcome %v", o)
	}
	n.nonce++
	n.controlPlane.Send(t, replacing(t, n.nonce, 2, 11, controlplanetest.Routes(t, "b"), "sha256:"+strings.Repeat("0", 64), served))
	if o := n.outcome(); o.GetAck() == nil {
		t.Fatalf("outcome %v", o)
	}
	n.until("it is managed", func() bool { return n.agent.Status().Unmanaged == nil && n.proxied("/b") == http.StatusOK })
	if n.bootFile(".before-silverback") != before {
		t.Error("the boot file of before was not kept")
	}
	n.acked(3, 12, nil, controlplanetest.Routes(t, "c"))
	if n.bootFile(".before-silverback") != before {
		t.Error("what was kept was written over")
	}
}

func TestEqualNamesDoNotAllowReplacingAnUnmanagedGateway(t *testing.T) {
	n := newUnmanaged(t)
	n.started()
	var entities []snapshot.Entity
	for i, path := range []string{"old", "named"} {
		id, plugin := []string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}[i],
			[]string{"00000000-0000-4000-9000-000000000001", "00000000-0000-4000-9000-000000000002"}[i]
		route := `{"id":"` + id + `","paths":["/` + path + `"]}`
		if path == "named" {
			route = `{"id":"` + id + `","name":"named","paths":["/named"]}`
		}
		entities = append(entities, snapshot.Entity{Kind: "routes", ID: id, Key: id, JSON: []byte(route)},
			snapshot.Entity{Kind: "plugins", ID: plugin, Key: plugin, JSON: []byte(`{"config":{"message":"` + path + `","status_code":200},"id":"` +
				plugin + `","name":"request-termination","route":{"id":"` + id + `"}}`)})
	}
	s, err := snapshot.Seal(entities)
	if err != nil {
		t.Fatal(err)
	}
	n.direct(1, 9, nil, s)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_UNMANAGED ||
		!strings.Contains(o.GetFailure().GetMessage(), "other content under the same names") {
		t.Fatalf("outcome %v", o)
	}
	n.nonce++
	n.controlPlane.Send(t, replacing(t, n.nonce, 2, 10, s, n.agent.Status().Unmanaged.Served))
	if o := n.outcome(); o.GetAck() == nil {
		t.Fatalf("outcome %v", o)
	}
	if n.proxied("/old") != http.StatusOK || n.proxied("/named") != http.StatusOK {
		t.Error("traffic changed")
	}
	// The gateway is managed now, so routes that the revision lacks are removed.
	n.acked(3, 11, nil, controlplanetest.Routes(t, "named"))
	if n.proxied("/old") != http.StatusNotFound {
		t.Error("a route that is gone is served")
	}
	n.until("it is managed", func() bool { return n.agent.Status().Unmanaged == nil })
}

func TestAConfigurationIsUploadedOnRequest(t *testing.T) {
	n := newUnmanaged(t)
	n.started()
	n.until("it is known what it serves", func() bool { return n.agent.Status().Unmanaged != nil })
	n.controlPlane.RequestConfiguration("word")
	n.until("it is brought", func() bool { return len(n.controlPlane.Configuration()) > 0 })
	r := n.controlPlane.Configuration()[0]
	if r.GetWord() != "word" || r.GetPartCount() != 1 || r.GetFailure() != "" {
		t.Errorf("%d parts, failure %q", r.GetPartCount(), r.GetFailure())
	}
	n.stop()
	if slices.Contains(strings.Fields(n.log.String()), "old") {
		t.Error("the log holds content")
	}
}
