package distributor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
)

const (
	paused     = distributorv1.Rollout_STATE_PAUSED
	rolledBack = distributorv1.Rollout_STATE_ROLLED_BACK
)

// slow is a policy whose first wave soaks for an hour.
func slow() *fleetv1.RolloutPolicy {
	return &fleetv1.RolloutPolicy{Waves: []*fleetv1.RolloutPolicy_Wave{
		{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 1}, Soak: durationpb.New(time.Hour)},
		{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}},
	}}
}

// soakingTwo is a control plane with two replicas, three nodes that run revision 1, and a rollout to revision 2 that soaks in its first
// wave. Replica one leads, and the agents are connected to the other: they outlive a leader that stops.
func soakingTwo(t *testing.T) (p *controlPlane, one, two *replica, agents []*agenttest.Agent) {
	p = newControlPlane(t)
	p.electionTTL = 2 * time.Second
	one = p.replica("one")
	eventually(t, "replica one leads", func() bool {
		leader, _ := one.Leader(t.Context())
		return leader == "one"
	})
	two = p.replica("two")
	agents = p.agents(3, two)
	p.revise("")
	one.reaches(t, 1, completed)
	p.upstream.Group("g", slow())
	eventually(t, "the policy is known", func() bool {
		p.revise(fmt.Sprint("-", time.Now().UnixNano()))
		newest := p.upstream.Newest("g")
		r := two.reachesEnd(t, newest)
		return r.GetState() == soaking
	})
	return p, one, two, agents
}

// reachesEnd waits until the rollout of a revision soaks or has ended.
func (r *replica) reachesEnd(t testing.TB, revision int64) (out *distributorv1.Rollout) {
	t.Helper()
	eventually(t, fmt.Sprintf("rollout of revision %d soaks or ends", revision), func() bool {
		out = r.rollout(revision)
		switch out.GetState() {
		case soaking, completed, halted, superseded, rolledBack:
			return true
		}
		return false
	})
	return out
}

func (r *replica) newest(t testing.TB) *distributorv1.Rollout {
	t.Helper()
	answer, err := r.GetRollout(t.Context(), &distributorv1.GetRolloutRequest{Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetRollout()
}

func reason(err error) string {
	if e, ok := fault.FromStatus(err).(*fault.Error); ok { //nolint:errorlint // FromStatus returns it as it is
		return e.Reason
	}
	return status.Code(err).String()
}

func TestVerbsWorkOnAnyReplicaAndSurviveTheLeader(t *testing.T) {
	p, leader, other, _ := soakingTwo(t)
	answer, err := other.PauseRollout(t.Context(), &distributorv1.PauseRolloutRequest{Group: "g", Reason: "lunch", RequestId: "p-1"})
	if err != nil || answer.GetRollout().GetState() != paused {
		t.Fatalf("pause answered %v, %v", answer, err)
	}
	order := answer.GetRollout().GetOrders()[0]
	if order.GetVerb() != "pause" || order.GetReason() != "lunch" || order.GetAuthor() != "anonymous" || order.GetCreateTime() == nil {
		t.Errorf("the order is recorded as %v", order)
	}
	again, err := other.PauseRollout(t.Context(), &distributorv1.PauseRolloutRequest{Group: "g", Reason: "lunch", RequestId: "p-1"})
	if err != nil || len(again.GetRollout().GetOrders()) != 1 {
		t.Errorf("the same request again answered %v, %v", again, err)
	}
	leader.stop()
	three := p.replica("three")
	eventually(t, "another replica leads", func() bool {
		now, err := other.Leader(t.Context())
		return err == nil && now != "" && now != "one"
	})
	if r := three.newest(t); r.GetState() != paused || !strings.Contains(r.GetNext(), "silverback rollout resume") {
		t.Errorf("after a change of leaders the rollout is %v", r)
	}
	if r, err := three.ResumeRollout(t.Context(), &distributorv1.ResumeRolloutRequest{Group: "g", Reason: "back"}); err != nil ||
		r.GetRollout().GetState() == paused {
		t.Errorf("resume answered %v, %v", r, err)
	}
	if _, err := three.PromoteRollout(t.Context(), &distributorv1.PromoteRolloutRequest{Group: "g", Reason: "fine"}); err != nil {
		t.Error(err)
	}
	revision := three.newest(t).GetCandidateRevision()
	eventually(t, "another replica has the history, too", func() bool { // its view may lag behind the one that took the order
		var verbs []string
		for _, o := range other.rollout(revision).GetOrders() {
			verbs = append(verbs, o.GetVerb())
		}
		return slices.Equal(verbs, []string{"pause", "resume", "promote"})
	})
	_, err = other.PromoteRollout(t.Context(), &distributorv1.PromoteRolloutRequest{Group: "g", Reason: "again", Rollout: "00000001"})
	if status.Code(err) != codes.FailedPrecondition || reason(err) != "NOT_THE_NEWEST_ROLLOUT" {
		t.Errorf("an order about an old rollout answered %v", err)
	}
}

func TestAbortTakesBackAndPins(t *testing.T) {
	p, one, two, agents := soakingTwo(t)
	good := one.rollout(1).GetCandidateDigest()
	if s := one.newest(t); s.GetStableRevision() > 1 {
		good = s.GetStableDigest()
	}
	p.upstream.RestoreFails(status.Error(codes.Unavailable, "away"))
	answer, err := two.AbortRollout(t.Context(), &distributorv1.AbortRolloutRequest{Group: "g", Reason: "slow pages"})
	if err != nil || answer.GetRollout().GetState() != rolledBack {
		t.Fatalf("abort answered %v, %v", answer, err)
	}
	aborted := answer.GetRollout()
	eventually(t, "every agent serves the stable revision", func() bool {
		for _, a := range agents {
			if string(a.Serving().Digest) != good {
				return false
			}
		}
		return true
	})
	if !strings.Contains(two.newest(t).GetNext(), "pins") {
		t.Errorf("it says %q", two.newest(t).GetNext())
	}
	p.upstream.RestoreFails(nil)
	eventually(t, "team-a is pinned", func() bool {
		r := two.rollout(aborted.GetCandidateRevision())
		return fmt.Sprint(r.GetPinnedSources()) == "[team-a]" && r.GetPinnedRevision() == aborted.GetCandidateRevision()+1
	})
	asked := p.upstream.Restored()
	if len(asked) != 1 || asked[0].GetToRevision() != aborted.GetStableRevision() ||
		asked[0].GetFromRevision() != aborted.GetCandidateRevision() ||
		!asked[0].GetSkipChanged() || asked[0].GetPin().GetRollout() != aborted.GetId() || !strings.Contains(asked[0].GetReason(), "slow pages") {
		t.Errorf("the translator was asked %v", asked)
	}
	two.reaches(t, aborted.GetCandidateRevision()+1, completed) // the pinned content is what the group runs
	if _, err := two.AbortRollout(t.Context(), &distributorv1.AbortRolloutRequest{Group: "g",
		Reason: "again"}); reason(err) != "ROLLOUT_STATE" {
		t.Errorf("an abort of what completed answered %v", err)
	}
}

func TestARefusalPinsTheSourceOfTheRefusedObject(t *testing.T) {
	p := newControlPlane(t)
	p.upstream.Group("g", &fleetv1.RolloutPolicy{OnReject: fleetv1.RolloutPolicy_ON_REJECT_PIN})
	p.upstream.Origins = []*translatorv1.LocateEntitiesResponse_Origin{{
		Entity: &translatorv1.EntityRef{Kind: "route", Name: "route-000000"}, Source: "team-a", Document: "team-a.yaml", Line: 14,
	}}
	r := p.replica("one")
	bad := p.snapshot(20, "-bad")
	judge := func(_ []byte, d *distributorv1.Directive) agenttest.Verdict {
		if d.GetDigest() == string(bad) {
			return agenttest.Nack
		}
		return agenttest.Ack
	}
	p.agent(agenttest.Config{Node: "n0", Answer: judge, Problems: refusedRoute}, r)
	p.revise("")
	r.reaches(t, 1, completed)
	p.upstream.Revise("g", bad)
	r.reaches(t, 2, halted)
	r.reaches(t, 3, completed)
	asked := p.upstream.Restored()
	if len(asked) != 1 || fmt.Sprint(asked[0].GetSources()) != "[team-a]" || len(asked[0].GetPin().GetProblems()) != 1 ||
		asked[0].GetPin().GetProblems()[0].GetLine() != 14 {
		t.Errorf("the translator was asked %v", asked)
	}
}

func TestAFrozenGroupTakesRevisionsAndBeginsNothing(t *testing.T) {
	p := newControlPlane(t)
	r := p.replica("one")
	p.agents(1, r)
	p.revise("")
	r.reaches(t, 1, completed)
	if _, err := r.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "nobody", Reason: "x"}); reason(err) != "NO_SUCH_GROUP" {
		t.Errorf("an unknown group answered %v", err)
	}
	frozen, err := r.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "g", Reason: "sale"})
	if err != nil || frozen.GetOrder().GetReason() != "sale" {
		t.Fatalf("freeze answered %v, %v", frozen, err)
	}
	if again, err := r.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "g", Reason: "other"}); err != nil ||
		again.GetOrder().GetReason() != "sale" {
		t.Errorf("freeze again answered %v, %v", again, err)
	}
	eventually(t, "the assignment shows it", func() bool {
		a, err := r.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "g"})
		return err == nil && a.GetAssignment().GetFrozen().GetReason() == "sale"
	})
	p.revise("-two")
	eventually(t, "the newest rollout says why revision 2 waits", func() bool {
		return strings.Contains(r.newest(t).GetNext(), "froze the group: sale")
	})
	if got := r.rollout(2); got != nil {
		t.Errorf("a frozen group began %v", got)
	}
	if _, err := r.UnfreezeGroup(t.Context(), &distributorv1.UnfreezeGroupRequest{Group: "g", Reason: "over"}); err != nil {
		t.Fatal(err)
	}
	r.reaches(t, 2, completed)
	// A freeze whose answer was lost is repeated after somebody unfroze the group: it had its effect.
	if _, err := r.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "g", Reason: "sale", RequestId: "f"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.UnfreezeGroup(t.Context(), &distributorv1.UnfreezeGroupRequest{Group: "g", Reason: "over"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group is not frozen", func() bool {
		a, err := r.GetAssignment(t.Context(), &distributorv1.GetAssignmentRequest{Group: "g"})
		return err == nil && a.GetAssignment().GetFrozen() == nil
	})
	if again, err := r.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "g", Reason: "sale",
		RequestId: "f"}); err != nil || again.GetOrder().GetReason() != "sale" {
		t.Errorf("the repeated freeze answered %v, %v", again, err)
	}
	p.revise("-three")
	r.reaches(t, 3, completed)
}

func TestARepeatedCallIsForTheRolloutOfTheFirst(t *testing.T) {
	p := newControlPlane(t)
	one := p.replica("one")
	p.agents(1, one)
	p.revise("")
	first := one.reaches(t, 1, completed)
	// The order of the first call was stored, its rollout ended before a leader obeyed, and the answer was lost.
	_, err := p.etcd.Put(t.Context(), "decided/orders/g", fmt.Sprintf(
		`{"v":1,"value":{"rollouts":[{"id":"p-1","verb":"pause","rollout":%q,"reason":"lunch","author":"ann","time":"2026-01-01T00:00:00Z"}]}}`,
		first.GetId()))
	if err != nil {
		t.Fatal(err)
	}
	p.upstream.Group("g", slow())
	eventually(t, "the policy is known", func() bool {
		p.revise(fmt.Sprint("-", time.Now().UnixNano()))
		return one.reachesEnd(t, p.upstream.Newest("g")).GetState() == soaking
	})
	_, err = one.PauseRollout(t.Context(), &distributorv1.PauseRolloutRequest{Group: "g", Reason: "lunch", RequestId: "p-1"})
	if reason(err) != "ROLLOUT_STATE" || !strings.Contains(err.Error(), "has taken the place of rollout "+first.GetId()) {
		t.Errorf("the repeated call answered %v", err)
	}
	if r := one.newest(t); r.GetState() != soaking {
		t.Errorf("the next rollout is %v", r)
	}
	// Nor does the answer depend on what became of the next rollout.
	if _, err := one.PromoteRollout(t.Context(), &distributorv1.PromoteRolloutRequest{Group: "g", Reason: "go", Full: true}); err != nil {
		t.Fatal(err)
	}
	one.reaches(t, p.upstream.Newest("g"), completed)
	_, err = one.PauseRollout(t.Context(), &distributorv1.PauseRolloutRequest{Group: "g", Reason: "lunch", RequestId: "p-1"})
	if !strings.Contains(fmt.Sprint(err), "has taken the place of rollout "+first.GetId()) {
		t.Errorf("once the next has completed, the repeated call answered %v", err)
	}
}
