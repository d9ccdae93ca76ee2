package agent_test

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// The proof finds workers that kept their old router, and the agent loads once more.
func TestF43_AStaleRouterIsLoadedOnceMore(t *testing.T) {
	n := newNode(t, kongtest.Workers(2))
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, first)
	before := n.kong.Loads()
	n.kong.LeaveStale(1)
	n.acked(2, 11, first, second)
	if got := n.kong.Loads() - before; got != 2 {
		t.Errorf("%d loads, want 2", got)
	}
	if n.condition("StaleRouter") == "" {
		t.Errorf("nothing is said of it: %+v", n.agent.Status().Conditions)
	}
}

// A worker whose router takes no load any more is a failed proof, load after load, until the gateway is restarted.
func TestAWedgedRouterIsAFailedProofUntilARestart(t *testing.T) {
	n := newNode(t, kongtest.Workers(2))
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, first)
	n.kong.WedgeRouters()
	n.direct(2, 11, first, second)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_STALE_ROUTER {
		t.Fatalf("outcome %v", o)
	}
	n.until("the agent says so", func() bool { return n.condition("StaleRouter") != "" })
	if err := n.kong.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		o := n.outcome()
		if o.GetAck() != nil {
			return
		}
		if o.GetFailure() == nil {
			t.Fatalf("after a restart: %v", o)
		}
	}
}

// The agent waits a second between loads, so that no router goes stale.
func TestF43_TheAgentLeavesASecondBetweenLoads(t *testing.T) {
	n := newNode(t, kongtest.Workers(2))
	n.config.LoadGap = 0 // the default
	n.started()
	n.kong.StaleWhenHasty(300 * time.Millisecond)
	a, b := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, a)
	for i := int64(0); i < 4; i += 2 {
		n.acked(2+i, 11+i, a, b)
		n.acked(3+i, 12+i, b, a)
	}
	if n.kong.Loads() != 5 {
		t.Errorf("%d loads, want 5", n.kong.Loads())
	}
	if n.condition("StaleRouter") != "" {
		t.Error("a router went stale")
	}
}

// A spot check finds the workers of a killed master. They are only reported while they serve the same snapshot, and fail the next proof.
func TestF48_AnOrphanIsAFailedProof(t *testing.T) {
	n := newNode(t, kongtest.Workers(2))
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, first)
	n.kong.KillMaster()
	n.until("the stray is told", func() bool { return n.condition("StrayWorker") != "" })
	n.until("and what is served is proven all the same", func() bool { return n.agent.Status().Proven })
	n.direct(2, 11, first, second)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_STRAY_WORKER {
		t.Fatalf("outcome %v", o)
	}
	n.kong.EndOrphans()
	if o := n.outcome(); o.GetAck() == nil {
		t.Fatalf("after the orphans ended: %v", o)
	}
	n.until("the condition ends", func() bool { return n.condition("StrayWorker") == "" })
}

// A fresh gateway is not ready. That is no condition, because its node is joining.
func TestAFreshGatewayHasNoCondition(t *testing.T) {
	n := newNode(t)
	n.started()
	n.until("the gateway was looked at", func() bool { return n.agent.Status().GatewayReachable })
	if c := n.agent.Status().Conditions; len(c) > 0 {
		t.Errorf("it complains: %v", c)
	}
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	if err := n.kong.Lose(); err != nil {
		t.Fatal(err)
	}
	n.until("a gateway that goes away is one", func() bool { return n.condition("GatewayUnreachable") != "" })
}
