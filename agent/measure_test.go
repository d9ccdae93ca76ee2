package agent_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// What a load took reaches the registry, and outlives the agent. What the gateway ran already is no load.
func TestLoadsAreMeasuredAndReported(t *testing.T) {
	n := newNode(t, kongtest.Workers(3))
	n.config.GatewayMemory = 3 << 30
	n.started()
	first, second := controlplanetest.Routes(t, "orders"), controlplanetest.Routes(t, "orders", "carts")
	n.acked(1, 10, nil, first)
	n.until("the registry knows the load", func() bool { return len(n.controlPlane.LastStatus().GetRecentLoads()) == 1 })
	load := n.controlPlane.LastStatus().GetRecentLoads()[0]
	if load.GetRoutes() != 1 || load.GetEntities() < 1 || load.GetBytes() != first.Size() || load.GetWorkers() != 3 ||
		load.GetDigest() != string(first.Digest()) || load.GetMemoryBytes() == 0 {
		t.Errorf("the load is %v", load)
	}
	if load.GetServingTime().AsDuration() < load.GetPostTime().AsDuration() {
		t.Errorf("it served after %s, and Kong took the post after %s", load.GetServingTime().AsDuration(), load.GetPostTime().AsDuration())
	}
	all := n.controlPlane.Enrolments()
	if got := all[len(all)-1].GetCapabilities().GetMemoryLimitBytes(); got != 3<<30 {
		t.Errorf("the gateway may take %d bytes", got)
	}
	n.acked(2, 11, first, first)
	n.acked(3, 12, first, second)
	n.until("the registry knows the next load", func() bool { return len(n.controlPlane.LastStatus().GetRecentLoads()) == 2 })
	n.stop()
	n.started()
	n.until("the next run of the agent knows them", func() bool { return len(n.agent.Status().RecentLoads) == 2 })
	n.until("and reports them", func() bool { return len(n.controlPlane.LastStatus().GetRecentLoads()) == 2 })
	n.stop()

	// An agent that lost its state posts what the gateway runs already, and Kong answers 304.
	n.config.StateDir = t.TempDir()
	n.started()
	loads := n.kong.Loads()
	n.acked(4, 13, nil, second)
	if got := n.agent.Status().RecentLoads; len(got) != 0 || n.kong.Loads() != loads {
		t.Errorf("the gateway loaded %d times more, and the agent measured %v", n.kong.Loads()-loads, got)
	}
}
