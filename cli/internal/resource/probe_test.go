package resource

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestParseProbes(t *testing.T) {
	const full = "/health,expect=204,host=shop.example,header=X-A:1,header=X-B:b:c,interval=10s,timeout=500ms,readiness"
	got, err := parseProbes([]string{"/", full})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	p := got[1]
	if p.GetPath() != "/health" || p.GetExpect() != 204 || p.GetHost() != "shop.example" || p.GetHeaders()["X-B"] != "b:c" ||
		p.GetInterval().AsDuration() != 10*time.Second || p.GetTimeout().AsDuration() != 500*time.Millisecond || !p.GetReadiness() {
		t.Errorf("got %v", p)
	}
	if got[0].GetPath() != "/" || got[0].GetReadiness() {
		t.Errorf("got %v", got[0])
	}
	for i, want := range []string{"/", full} {
		if text := formatProbe(got[i]); text != want {
			t.Errorf("printed as %q, want %q", text, want)
		}
	}
	for _, bad := range []string{"", "health", "/h,expect=ok", "/h,readiness=yes", "/h,host", "/h,header=X", "/h,interval=5", "/h,body=x"} {
		if _, err := parseProbes([]string{bad}); err == nil || !strings.Contains(err.Error(), "--probe") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAGroupKeepsItsProbesWhenOtherGatesChange(t *testing.T) {
	var f groupFlags
	cmd := &cobra.Command{}
	f.add(cmd)
	g := &registryv1.Group{Policy: &fleetv1.RolloutPolicy{Gates: &fleetv1.Gates{Probes: []*fleetv1.Probe{{Path: "/a"}}}}}
	if err := cmd.ParseFlags([]string{"--max-failed=5"}); err != nil {
		t.Fatal(err)
	}
	if err := f.put(g); err != nil || len(g.GetPolicy().GetGates().GetProbes()) != 1 ||
		g.GetPolicy().GetGates().GetMaxFailedPercent() != 5 {
		t.Errorf("got %v, %v", g, err)
	}
	if err := cmd.ParseFlags([]string{"--probe=/b", "--no-probes"}); err != nil {
		t.Fatal(err)
	}
	if err := f.put(g); err == nil {
		t.Error("both are taken at once")
	}
}

func TestANodeIsDescribedWithItsHealth(t *testing.T) {
	now := time.Unix(2000, 0)
	a := &app.App{Now: func() time.Time { return now }}
	n := &registryv1.Node{
		Name: "gw-1", Group: "edge", State: registryv1.Node_STATE_DEGRADED, Drain: &registryv1.Drain{Reason: "new disk",
			Since: timestamppb.New(now.Add(-time.Minute))},
		Status: &fleetv1.NodeStatus{
			Health: &fleetv1.Health{
				Window: durationpb.New(30 * time.Second), Requests: new(int64(1200)), ServerErrors: new(int64(30)),
				LatencyP50: durationpb.New(12 * time.Millisecond),
				LatencyP99: durationpb.New(250 * time.Millisecond), Connections: new(int64(7)), MemoryBytes: 50 << 20, WorkerRestarts: 1,
				Probes: []*fleetv1.ProbeResult{{Path: "/health", Host: "shop.example", Sent: 6, Failed: 2, Reason: "status 503"}, {Path: "/", Sent: 6}},
			},
		},
	}
	var b bytes.Buffer
	a.Out = &b
	printNode(a, n)
	for _, want := range []string{
		"Drained:     for 60s: new disk, not confirmed by its agent yet\n",
		"Traffic:     1200 requests in 30s, 2.5% server errors, half within 12ms, 99% within 250ms\n",
		"Processes:   50 MiB of Lua memory, 7 connections, workers restarted 1 time\n",
		"Probe:       /health of shop.example: 2 of 6 failed, last: status 503\n",
		"Probe:       /: 0 of 6 failed\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
	if got := nodeState(n); got != "degraded (to drain)" {
		t.Errorf("its state is %q", got)
	}
}

func TestAnOrderIsObeyedWhenTheAgentSaysSo(t *testing.T) {
	node := func(ordered, says bool, state registryv1.Node_State) *registryv1.Node {
		n := &registryv1.Node{State: state, Status: &fleetv1.NodeStatus{Draining: says}}
		if ordered {
			n.Drain = &registryv1.Drain{}
		}
		return n
	}
	for _, c := range []struct {
		name  string
		node  *registryv1.Node
		drain bool
		want  bool
	}{
		{"drained", node(true, true, registryv1.Node_STATE_DRAINING), true, true},
		{"not heard yet", node(true, false, registryv1.Node_STATE_READY), true, false},
		{"given back", node(false, false, registryv1.Node_STATE_READY), false, true},
		{"not heard yet that it is", node(false, true, registryv1.Node_STATE_DRAINING), false, false},
		{"drained by its agent, which stops", node(false, true, registryv1.Node_STATE_DRAINING), true, false},
		{"an old word of an agent that is away", node(true, true, registryv1.Node_STATE_UNREACHABLE), true, false},
	} {
		if got := obeys(c.node, c.drain); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
