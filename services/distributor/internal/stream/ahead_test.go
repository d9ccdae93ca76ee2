package stream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

func ledgerAt(epoch fleet.Epoch, a *rollout.Assignment) store.Ledger {
	l := store.Ledger{Recovery: store.Recovery{Epoch: epoch}, Assignments: map[fleet.GroupID]rollout.Assignment{}}
	if a != nil {
		l.Assignments["g"] = *a
	}
	return l
}

// A node that is only ahead of a late view is not reported. A node that is ahead of etcd fails with the reason, until the ledger is
// recovered.
func TestANodeIsAheadOfTheLedgerOnlyWhenEtcdSaysSo(t *testing.T) {
	s := oneSession()
	s.followed = fleet.Stamp{Decision: 500}
	a := &rollout.Assignment{Candidate: two, Rollout: "00000001", Reach: rollout.Reach{Threshold: fleet.MaxPosition}, Decision: 7}
	s.decide(a)
	count := func() rollout.Tally {
		s.group.mu.Lock()
		defer s.group.mu.Unlock()
		_, tally := s.group.count()
		return tally
	}
	s.fails(t, s.deliver(t, nil, func() {}), distributorv1.Failure_REASON_STALE_DECISION)
	s.hub.markAhead(s.group, ledgerAt(0, &rollout.Assignment{Decision: 500}))
	if tally := count(); tally.Loading != 1 || s.group.ahead != 0 {
		t.Errorf("while only the view is late it counts %+v, %d ahead", tally, s.group.ahead)
	}
	s.hub.markAhead(s.group, ledgerAt(0, a))
	if tally := count(); tally.Failed != 1 || s.group.ahead != 1 || !strings.Contains(tally.Failure,
		"n follows decision 500 of epoch 0, which the ledger does not have, and it is at decision 7 of epoch 0") {
		t.Errorf("of a ledger that went back it counts %+v, %d ahead", tally, s.group.ahead)
	}
	s.hub.markAhead(s.group, ledgerAt(1, a))
	if tally := count(); tally.Loading != 1 || s.group.ahead != 0 {
		t.Errorf("of a ledger that was recovered it counts %+v, %d ahead", tally, s.group.ahead)
	}
}

func TestAnAgentWithoutEpochsFailsAfterARecovery(t *testing.T) {
	s := oneSession()
	a := &rollout.Assignment{Candidate: two, Rollout: "00000001", Reach: rollout.Reach{Threshold: fleet.MaxPosition}, Epoch: 1, Decision: 7}
	s.decide(a)
	s.fails(t, s.deliver(t, nil, func() {}), distributorv1.Failure_REASON_STALE_DECISION)
	s.hub.markAhead(s.group, ledgerAt(1, a))
	s.group.mu.Lock()
	_, tally := s.group.count()
	s.group.mu.Unlock()
	if tally.Failed != 1 || !strings.Contains(tally.Failure, "upgrade the agent") || s.group.ahead != 0 {
		t.Errorf("it counts %+v, %d ahead", tally, s.group.ahead)
	}
}

func TestTheSameTargetIsSentAgainInANewEpoch(t *testing.T) {
	s := oneSession()
	s.decide(stable(one, 1))
	s.deliver(t, nil, func() {})
	s.decide(stable(one, 2))
	if d := s.deliver(t, nil, func() {}); d != nil {
		t.Fatalf("the node was told %+v again", d)
	}
	s.decide(&rollout.Assignment{Stable: one, Epoch: 1, Decision: 1})
	if d := s.deliver(t, nil, func() {}); d == nil || d.stamp != (fleet.Stamp{Epoch: 1, Decision: 1}) || !d.Same(one) {
		t.Errorf("in another epoch the node was told %+v", d)
	}
}

func TestEtcdIsAskedAgainUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneSession()
		s.followed = fleet.Stamp{Decision: 500}
		asked := 0
		s.hub.ledger = func(context.Context) (store.Ledger, error) {
			if asked++; asked < 3 {
				return store.Ledger{}, errors.New("away")
			}
			return ledgerAt(0, nil), nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = s.hub.confirm(ctx) }()
		s.group.mu.Lock()
		s.hub.recheck(s.group)
		s.group.mu.Unlock()
		<-time.After(5 * askAgain)
		synctest.Wait()
		s.group.mu.Lock()
		defer s.group.mu.Unlock()
		if asked != 3 || s.group.ahead != 1 {
			t.Errorf("asked %d times, %d ahead", asked, s.group.ahead)
		}
	})
}
