package distributor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Twenty revisions after another within the load interval are no rollout, until an operator promotes: then the last one is.
func TestRevisionsWaitForTheLoadIntervalAndPromotePassesIt(t *testing.T) {
	p := newControlPlane(t)
	p.electionTTL = 2 * time.Second
	p.upstream.Group("g", &fleetv1.RolloutPolicy{LoadInterval: durationpb.New(time.Hour)})
	one := p.replica("one")
	p.agents(3, one)
	p.revise("")
	one.reaches(t, 1, completed)
	two := p.replica("two")
	if got := one.newest(t).GetLoadInterval(); got == nil || got.AsDuration() != time.Hour {
		t.Errorf("the rollout says that the load interval is %v", got)
	}

	for n := range 20 {
		p.revise(fmt.Sprint("-", n))
	}
	newest := p.upstream.Newest("g")
	waits := fmt.Sprintf("revision %d waits until", newest)
	for _, r := range []*replica{one, two} {
		eventually(t, "the newest rollout says what waits", func() bool { return strings.HasPrefix(r.newest(t).GetNext(), waits) })
	}
	one.stop() // its successor does not know when nodes loaded, and waits too
	eventually(t, "the other replica leads", func() bool {
		leader, _ := two.Leader(t.Context())
		return leader == "two"
	})
	if r := two.newest(t); r.GetCandidateRevision() != 1 {
		t.Fatalf("a rollout began: %v", r)
	}
	answer, err := two.PromoteRollout(t.Context(), &distributorv1.PromoteRolloutRequest{Group: "g", Reason: "now", Full: true, RequestId: "p"})
	if err != nil || answer.GetRollout().GetCandidateRevision() != newest {
		t.Fatalf("promote answered %v, %v", answer, err)
	}
	if again, err := two.PromoteRollout(t.Context(), &distributorv1.PromoteRolloutRequest{Group: "g", Reason: "now", Full: true,
		RequestId: "p"}); err != nil || again.GetRollout().GetId() != answer.GetRollout().GetId() {
		t.Errorf("the same promote answered %v, %v", again, err)
	}
	p.upstream.Group("g", &fleetv1.RolloutPolicy{LoadInterval: durationpb.New(0)})
	eventually(t, "the policy of now is told", func() bool {
		got := two.newest(t).GetLoadInterval()
		return got != nil && got.AsDuration() == 0
	})
	if _, err := two.PromoteRollout(t.Context(), &distributorv1.PromoteRolloutRequest{Group: "g", Reason: "now",
		Rollout: "00000001"}); reason(err) != "NOT_THE_NEWEST_ROLLOUT" {
		t.Errorf("a promote of the rollout before answered %v", err)
	}
}

// A closed change window holds every revision, says so once, and says when it is open.
func TestAWindowThatHoldsARevisionIsTold(t *testing.T) {
	p := newControlPlane(t)
	tomorrow := time.Now().UTC().Add(24 * time.Hour)
	p.upstream.Group("g", &fleetv1.RolloutPolicy{Windows: []*fleetv1.RolloutPolicy_Window{{
		Schedule: fmt.Sprintf("0 %d %d %d *", tomorrow.Hour(), tomorrow.Day(), tomorrow.Month()), Duration: durationpb.New(time.Minute),
	}}})
	one := p.replica("one")
	p.agents(2, one)
	p.revise("")
	one.reaches(t, 1, completed) // the first rollout of a group needs no window
	windows := func() string {
		return told(one.listed(t, &distributorv1.ListEventsRequest{}), func(e *distributorv1.Event) bool {
			return strings.HasPrefix(e.GetReason(), "Window") || e.GetReason() == "RolloutStarted" && e.GetRevision() == 3
		})
	}
	p.revise("-2")
	eventually(t, "it is told that the window is closed", func() bool { return windows() == "WindowClosed" })
	p.revise("-3")
	eventually(t, "the newest waits", func() bool { return strings.HasPrefix(one.newest(t).GetNext(), "revision 3 is rolled out when") })
	p.upstream.Group("g", &fleetv1.RolloutPolicy{})
	one.reaches(t, 3, completed)
	if got := windows(); got != "WindowClosed WindowOpened RolloutStarted" {
		t.Errorf("it was told so: %q", got)
	}
}
