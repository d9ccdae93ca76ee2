package agent_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// A ledger restored from a backup offers old decisions. The agent refuses each and reports both stamps. It leaves the gateway as it is,
// also after a restart, and follows the decisions of a newer epoch.
func TestARestoredLedgerIsReportedAndANewEpochFollowed(t *testing.T) {
	n := newNode(t)
	n.started()
	a, b, c := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "b"), controlplanetest.Routes(t, "c")
	n.inEpoch(2, 1, 500, a)
	if n.outcome().GetAck() == nil {
		t.Fatal("not acked")
	}
	posts := n.kong.Posts()
	for range 2 {
		n.inEpoch(1, 1, 120, b)
		n.refusedForItsAge("decision 120 of epoch 1", "decision 500 of epoch 2")
		n.inEpoch(1, 2, 900, b) // however large the decision grows
		n.refusedForItsAge("decision 900 of epoch 1", "decision 500 of epoch 2")
		n.until("the registry is told", func() bool {
			for _, condition := range n.controlPlane.LastStatus().GetConditions() {
				if condition.GetType() == "DecisionStale" {
					return n.controlPlane.LastStatus().GetEpoch() == 2 && n.controlPlane.LastStatus().GetDecision() == 500
				}
			}
			return false
		})
		if got := status("http://" + n.agent.HTTPAddress() + "/readyz"); got != http.StatusOK || n.kong.Posts() != posts ||
			n.proxied("/a") != http.StatusOK {
			t.Fatalf("/readyz says %d, %d posts, %d before", got, n.kong.Posts(), posts)
		}
		n.stop()
		if h := n.restarted(); h.GetEpoch() != 2 || h.GetDecision() != 500 {
			t.Fatalf("after a restart the hello says epoch %d, decision %d", h.GetEpoch(), h.GetDecision())
		}
		n.until("the gateway is looked at", func() bool { return n.agent.Status().Serving() })
	}
	n.inEpoch(3, 3, 130, c)
	if n.outcome().GetAck() == nil || n.proxied("/c") != http.StatusOK {
		t.Error("a decision of a newer epoch was not followed")
	}
	n.until("the condition is gone", func() bool { return n.condition("DecisionStale") == "" })
}

func (n *node) restarted() *distributorv1.Hello {
	n.t.Helper()
	n.start()
	return n.hello()
}

func (n *node) refusedForItsAge(offered, followed string) {
	n.t.Helper()
	if f := n.outcome().GetFailure(); f.GetReason() != distributorv1.Failure_REASON_STALE_DECISION {
		n.t.Fatalf("the outcome is %v", f)
	}
	n.until("the condition names both", func() bool {
		is := n.condition("DecisionStale")
		return strings.Contains(is, offered) && strings.Contains(is, followed) && strings.Contains(is, "silverback recover")
	})
}

// inEpoch sends a directive, whole, that was decided in an epoch.
func (n *node) inEpoch(epoch, revision, decision int64, to *snapshot.Snapshot) {
	n.t.Helper()
	n.nonce++
	for _, m := range controlplanetest.Directive(n.t, n.nonce, revision, decision, nil, to, 64<<10) {
		if d := m.GetDirective(); d != nil {
			d.Epoch = epoch
		}
		n.controlPlane.Send(n.t, m)
	}
}
