package distributor_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// shaken is a control plane whose ledger a test restores, with agents that keep running.
type shaken struct {
	*controlPlane
	etcd   *etcdtest.Server
	at     atomic.Pointer[replica]
	agents []*agenttest.Agent
}

func newShaken(t *testing.T, agents int) *shaken {
	t.Helper()
	s := &shaken{etcd: etcdtest.Start(t)}
	s.controlPlane = newControlPlaneAt(t, s.etcd.Client(t))
	s.electionTTL = 2 * time.Second
	s.at.Store(s.replica("before"))
	for i := range agents {
		name := fmt.Sprintf("n%d", i)
		s.agents = append(s.agents, s.agent(agenttest.Config{
			Node: name, Conn: func() grpc.ClientConnInterface { return s.at.Load().conn },
			Seen: func(_ *agenttest.Agent, seen agenttest.Seen) { // as a heartbeat reports to the registry
				if seen.Err == nil {
					s.upstream.Follows("g", name, seen.Stamp())
				}
			},
		}, nil))
	}
	return s
}

// back restores the ledger between two runs of the distributor.
func (s *shaken) back(backup string, edit func()) *replica {
	s.t.Helper()
	s.at.Load().stop()
	s.etcd.Restore(s.t, backup)
	s.controlPlane.etcd = s.etcd.Client(s.t)
	s.content = content.New(s.controlPlane.etcd, 0)
	edit()
	s.at.Store(s.replica("after"))
	return s.at.Load()
}

// unmoved checks that every agent serves what it did, and that each is reported as ahead.
func (s *shaken) unmoved(r *replica, digest fleet.Digest) *distributorv1.Ledger {
	s.t.Helper()
	all := len(s.agents)
	eventually(s.t, "the replica counts them as ahead", func() bool {
		return r.counter(s.t,
			"silverback_distributor_nodes_ahead") == float64(all)
	})
	answer, err := r.GetLedger(s.t.Context(), &distributorv1.GetLedgerRequest{})
	if err != nil || answer.GetLedger().GetAheadCount() != int64(all) || len(answer.GetLedger().GetAhead()) != all {
		s.t.Fatalf("the ledger is %v, %v", answer, err)
	}
	for i, a := range s.agents {
		if got := a.Serving().Digest; got != digest {
			s.t.Errorf("agent %d serves %s", i, got.Short())
		}
	}
	return answer.GetLedger()
}

func (s *shaken) recover(r *replica) *distributorv1.Ledger {
	s.t.Helper()
	answer, err := r.RecoverLedger(s.t.Context(), &distributorv1.RecoverLedgerRequest{Reason: "restored after a flood", RequestId: "r-1"})
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "nobody is ahead", func() bool { return r.counter(s.t, "silverback_distributor_nodes_ahead") == 0 })
	return answer.GetLedger()
}

func (s *shaken) serve(digest fleet.Digest, revision fleet.Revision, epoch fleet.Epoch) {
	s.t.Helper()
	for i, a := range s.agents {
		eventually(s.t, fmt.Sprintf("agent %d serves revision %d of epoch %d", i, revision, epoch), func() bool {
			is := a.Serving()
			return is.Digest == digest && is.Revision == revision && is.Epoch == epoch
		})
	}
}

// etcd was restored from a backup one revision old, and nothing was submitted since.
func TestNodesFollowARestoredLedgerAfterARecovery(t *testing.T) {
	s := newShaken(t, 3)
	one := s.revise("-one")
	s.at.Load().reaches(t, 1, completed)
	backup := s.etcd.Backup(t)
	two := s.revise("-two")
	s.at.Load().reaches(t, 2, completed)
	s.serve(two, 2, 0)
	r := s.back(backup, func() { s.upstream.Back("g", 1, one) })
	for i, a := range s.agents {
		eventually(t, fmt.Sprintf("agent %d refused the older decision", i), func() bool { h := a.History(); return h[len(h)-1].Err != nil })
	}
	before := s.unmoved(r, two)
	if n := before.GetAhead()[0]; before.GetEpoch() != 0 || before.GetNextEpoch() != 1 || n.GetFollowedDecision() <= n.GetDecision() ||
		!n.GetOnline() {
		t.Errorf("the ledger is %v", before)
	}
	after := s.recover(r)
	if after.GetEpoch() != 1 || after.GetReason() != "restored after a flood" || after.GetAuthor() != "anonymous" ||
		after.GetAheadCount() != 0 {
		t.Errorf("the ledger is %v", after)
	}
	if got := told(r.listed(t, &distributorv1.ListEventsRequest{Groups: []string{"g"}}), func(e *distributorv1.Event) bool {
		return e.GetReason() == "LedgerRecovered" && e.GetGroup() == "" && strings.HasSuffix(e.GetMessage(), "epoch 1; every node follows it "+
			"from now on: restored after a flood")
	}); got != "LedgerRecovered" {
		t.Errorf("the recovery was told so: %q", got)
	}
	s.serve(one, 1, 1)
	// A needless recovery is refused. After a forced one every node follows again.
	var refused *fault.Error
	_, err := r.RecoverLedger(t.Context(), &distributorv1.RecoverLedgerRequest{Reason: "again", RequestId: "r-2"})
	if err = fault.FromStatus(err); !errors.As(err, &refused) || refused.Reason != "LEDGER_NOT_BEHIND" {
		t.Errorf("a second recovery gave %v", err)
	}
	if _, err := r.RecoverLedger(t.Context(), &distributorv1.RecoverLedgerRequest{Reason: "again", RequestId: "r-3",
		Force: true}); err != nil {
		t.Fatal(err)
	}
	s.serve(one, 1, 2)
	three := s.revise("-three")
	r.reaches(t, 2, completed)
	s.serve(three, 2, 2)
}

// etcd was restored from a backup one revision old, and the files were submitted again before the recovery. The gateways serve that content
// already, and must not load the older one in between.
func TestAfterARestoreAndAResubmitNoGatewayGoesBack(t *testing.T) {
	s := newShaken(t, 3)
	one := s.revise("-one")
	s.at.Load().reaches(t, 1, completed)
	backup := s.etcd.Backup(t)
	two := s.revise("-two")
	s.at.Load().reaches(t, 2, completed)
	r := s.back(backup, func() { s.upstream.Back("g", 2, s.snapshot(20, "-two")) })
	eventually(t, "the rollout waits, and says for what", func() bool {
		held := r.rollout(2)
		return held.GetState() == waiting && strings.Contains(held.GetReason(), "n0, n1, n2: ahead of the ledger") &&
			strings.Contains(held.GetReason(), "silverback recover")
	})
	s.unmoved(r, two)
	s.recover(r)
	r.reaches(t, 2, completed)
	s.serve(two, 2, 1)
	for i, a := range s.agents {
		for at, seen := range a.History() {
			if seen.Epoch == 1 && seen.Digest == one {
				t.Errorf("agent %d was sent back: its directive %d was %+v", i, at, seen)
			}
		}
	}
}

// etcd was lost, and the files were submitted to an empty one.
func TestNodesFollowAnEmptyLedgerAfterARecovery(t *testing.T) {
	s := newShaken(t, 3)
	s.revise("-one")
	s.at.Load().reaches(t, 1, completed)
	two := s.revise("-two")
	s.at.Load().reaches(t, 2, completed)
	s.serve(two, 2, 0)
	r := s.back("", func() { s.upstream.Back("g", 1, s.snapshot(20, "-two")) })
	r.reaches(t, 1, waiting)
	s.unmoved(r, two)
	s.recover(r)
	r.reaches(t, 1, completed)
	s.serve(two, 1, 1)
}

// grow has etcd write until its revision is past a decision.
func (s *shaken) grow(past fleet.Decision) {
	s.t.Helper()
	for {
		answer, err := s.controlPlane.etcd.Put(s.t.Context(), "others", "")
		if err != nil {
			s.t.Fatal(err)
		}
		if answer.Header.Revision > int64(past) {
			return
		}
	}
}

// etcd was restored, and its numbers are past those that the nodes follow before any of them is heard: the ledger decides, in one term or
// in two, what nobody may follow before a recovery.
func TestNumbersThatPassedAreNotFollowed(t *testing.T) {
	for terms := 1; terms <= 2; terms++ {
		t.Run(fmt.Sprintf("in %d terms", terms), func(t *testing.T) {
			s := newShaken(t, 3)
			s.revise("-one")
			s.at.Load().reaches(t, 1, completed)
			backup := s.etcd.Backup(t)
			two := s.revise("-two")
			s.at.Load().reaches(t, 2, completed)
			s.serve(two, 2, 0)
			s.at.Load().stop()
			s.etcd.Restore(t, backup)
			s.controlPlane.etcd = s.etcd.Client(t)
			s.content = content.New(s.controlPlane.etcd, 0)
			newest := s.agents[0].Serving().Decision
			for i, a := range s.agents {
				newest = max(newest, a.Serving().Decision)
				s.upstream.Follows("g", fmt.Sprintf("n%d", i), fleet.Stamp{}) // the registry knows what the backup knew
			}
			s.grow(newest)
			var r *replica
			for term := range terms {
				other := s.snapshot(20, fmt.Sprintf("-other-%d", term))
				s.upstream.Back("g", int64(2+term), other)
				r = s.replica(fmt.Sprintf("after-%d", term))
				eventually(t, "the restored ledger decides", func() bool {
					is, err := r.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "g"})
					return err == nil && fleet.Digest(is.GetAssignment().GetCandidateDigest()) == other && is.GetAssignment().GetDecision() > int64(newest)
				})
				if term < terms-1 {
					r.stop()
				}
			}
			s.at.Store(r)
			s.unmoved(r, two)
			for i, a := range s.agents { // the next heartbeats
				s.upstream.Follows("g", fmt.Sprintf("n%d", i), a.Serving().Stamp())
			}
			eventually(t, "the rollout waits, and says for what", func() bool {
				held := r.rollout(int64(1 + terms))
				return held.GetState() == waiting && strings.Contains(held.GetReason(), "which it does not have")
			})
			s.unmoved(r, two)
			s.recover(r)
			r.reaches(t, int64(1+terms), completed)
			s.serve(s.snapshot(20, fmt.Sprintf("-other-%d", terms-1)), fleet.Revision(1+terms), 1)
		})
	}
}
