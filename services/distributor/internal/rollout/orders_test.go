package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// order gives an order about the newest rollout.
func (d *drive) order(verb Verb) Order {
	o := Order{ID: fmt.Sprint(verb, d.now.UnixNano()), Verb: verb, Rollout: d.in.Rollout.ID, Reason: "because", Author: "ann", Time: d.now}
	d.in.Orders = d.in.Orders.With(o)
	return o
}

func waved() Policy { return Policy{Waves: []Wave{{Nodes: 1, Soak: time.Minute}, {Percent: 100}}} }

func (d *drive) state(want State) {
	d.t.Helper()
	if d.in.Rollout.State != want {
		d.t.Errorf("the rollout is %q (%s), want %q", d.in.Rollout.State, d.in.Rollout.Reason, want)
	}
}

func TestAPausedRolloutMovesNobody(t *testing.T) {
	d := driven(t, 4, waved())
	d.revise()
	d.run(time.Second)
	d.order(Pause)
	d.run(30 * time.Minute) // longer than the soak, and than the deadline
	d.state(Paused)
	d.want(2, 1, 1, 1)
	d.revise()
	d.run(30 * time.Minute)
	d.want(2, 1, 1, 1)
	d.order(Pause) // twice is harmless
	d.run(time.Second)
	d.state(Paused)

	d.order(Resume)
	d.run(30 * time.Second)
	d.state(Soaking) // the soak began anew
	d.run(5 * time.Minute)
	d.want(3, 3, 3, 3)
}

func TestAPausedRolloutHaltsAtARefusal(t *testing.T) {
	d := driven(t, 4, Policy{Waves: []Wave{{Nodes: 2, Soak: time.Minute}, {Percent: 100}}})
	d.hangs[1] = true
	d.revise()
	d.run(time.Second)
	d.order(Pause)
	d.run(time.Minute)
	d.bad = d.in.Rollout.Candidate.Digest
	d.run(time.Second)
	d.state(Halted)
}

func TestPromoteEndsTheSoakOfOneWave(t *testing.T) {
	d := driven(t, 4, Policy{Waves: []Wave{{Nodes: 1, Soak: time.Hour}, {Nodes: 2, Soak: time.Hour}, {Percent: 100}}})
	d.revise()
	d.run(time.Second)
	d.want(2, 1, 1, 1)
	d.order(Promote)
	d.run(time.Second)
	d.want(2, 2, 1, 1)
	d.state(Soaking)
	full := d.order(Promote)
	full.ID, full.Full = "full", true
	d.in.Orders = d.in.Orders.With(full)
	d.run(time.Second)
	d.state(Completed)
	d.want(2, 2, 2, 2)
}

func TestAbortTakesTheCandidateBack(t *testing.T) {
	d := driven(t, 4, waved())
	d.revise()
	d.run(time.Second)
	d.order(Abort)
	d.run(time.Second)
	d.state(RolledBack)
	d.want(1, 1, 1, 1)
	if r := d.in.Rollout; !strings.Contains(r.Reason, "ann") || !strings.Contains(r.Reason, "because") || !r.Pinning.Due() {
		t.Errorf("the record is %+v", r)
	}

	// Nothing begins before the pins are set, and nothing older than the revision that has them.
	d.revise()
	d.run(time.Hour)
	d.want(1, 1, 1, 1)
	d.in = apply(d.in, Pinned(*d.in.Rollout, []fleet.SourceID{"a"}, 4, ""))
	d.run(time.Hour)
	d.want(1, 1, 1, 1)
	d.revise()
	d.run(time.Hour)
	d.want(4, 4, 4, 4)
}

func TestAbortOfTheFirstRolloutIsRefused(t *testing.T) {
	first := Rollout{ID: "00000001", State: Soaking}
	if why := (Order{Verb: Abort}).Refuses(first); !strings.Contains(why, "nothing to go back to") {
		t.Errorf("got %q", why)
	}
	if abort := first.obey(start, []Order{{ID: "1", Verb: Abort, Rollout: first.ID}}); abort != nil {
		t.Errorf("it was obeyed: %+v", abort)
	}
}

func TestRetryBeginsAnotherRollout(t *testing.T) {
	d := driven(t, 4, Policy{})
	d.refuse()
	d.bad = ""
	d.run(time.Hour)
	d.want(1, 1, 1, 1)
	d.order(Retry)
	d.run(time.Second)
	d.state(Completed)
	d.want(2, 2, 2, 2)
	if r := d.in.Rollout; len(r.Orders) != 1 || r.Orders[0].Verb != Retry {
		t.Errorf("the record is %+v", r)
	}
	began := len(d.began)
	d.run(time.Hour)
	if len(d.began) != began {
		t.Error("one order began two rollouts")
	}
}

func TestAFrozenGroupBeginsNothing(t *testing.T) {
	d := driven(t, 4, waved())
	d.revise()
	d.run(time.Second)
	d.in.Orders = d.in.Orders.With(Order{ID: "f", Verb: Freeze})
	d.revise()
	d.run(time.Hour)
	d.want(2, 2, 2, 2) // what was open goes on, to its end
	d.in.Orders = d.in.Orders.With(Order{ID: "u", Verb: Unfreeze})
	d.run(time.Hour)
	d.want(3, 3, 3, 3)
}

func TestARefusalPinsWhenThePolicySaysSo(t *testing.T) {
	d := driven(t, 4, Policy{OnReject: fleet.RejectPins})
	d.bad = d.revise().Digest
	d.run(time.Minute)
	d.state(Halted)
	if !d.in.Rollout.Pinning.Due() {
		t.Error("nothing is to be pinned")
	}
	d = driven(t, 4, Policy{})
	d.bad = d.revise().Digest
	d.run(time.Minute)
	if d.in.Rollout.Pinning != nil {
		t.Error("a policy that halts pins")
	}
}

func TestCulpritsAreTheSourcesOfAllRefusals(t *testing.T) {
	of := func(source fleet.SourceID) Refusal { return Refusal{Problem: Problem{Source: source}} }
	if got := fmt.Sprint(Culprits([]Refusal{of("b"), of("a"), of("b")})); got != "[a b]" {
		t.Errorf("got %s", got)
	}
	if got := Culprits([]Refusal{of("b"), of("")}); got != nil {
		t.Errorf("a refusal of nobody's object leaves %v, want all sources suspect", got)
	}
}

// A halt may leave a candidate where it is. When it is retried and then taken back, it is taken from those nodes too.
func TestARetriedCandidateIsTakenBackFromWhereItWasHeld(t *testing.T) {
	d := driven(t, 5, Policy{Waves: []Wave{{Nodes: 3}, {Percent: 100}}})
	d.hangs[1] = true
	d.revise()
	d.run(11 * time.Minute)
	d.want(2, 1, 2, 1, 1)
	d.order(Retry)
	d.in.Policy = waved()
	d.run(time.Second)
	d.order(Abort)
	d.run(time.Second)
	d.state(RolledBack)
	d.want(1, 1, 1, 1, 1)
}

// The deadline of a resumed rollout starts again, and so does the time after which it counts as stuck.
func TestAResumedRolloutIsNotSupersededAtOnce(t *testing.T) {
	d := driven(t, 4, Policy{})
	d.hangs[1], d.hangs[2] = true, true
	d.revise()
	d.run(time.Second)
	d.order(Pause)
	d.revise()
	d.run(time.Hour)
	o := d.order(Resume)
	d.run(time.Second)
	if d.in.Rollout.Candidate.Revision != 2 || !d.in.Rollout.Has(o.ID) {
		t.Errorf("the rollout is %+v", d.in.Rollout)
	}
	d.run(stuckAfter)
	if d.in.Rollout.Candidate.Revision != 3 {
		t.Errorf("after %s the rollout is %+v", stuckAfter, d.in.Rollout)
	}
}

// An order that is obeyed in the step in which a newer revision takes over is in the record of the rollout that it was for.
func TestASupersededRolloutKeepsItsOrders(t *testing.T) {
	d := driven(t, 4, waved())
	d.revise()
	d.run(time.Second)
	d.revise()
	o := d.order(Promote)
	d.run(time.Second)
	if got := d.ended[len(d.ended)-1]; got.State != Superseded || !got.Has(o.ID) {
		t.Errorf("the superseded rollout is %+v", got)
	}
}

// A record keeps the last orders only. That another one was obeyed is written also when the record is full, and changes nothing else.
func TestEveryOrderIsRecordedHoweverManyThereAre(t *testing.T) {
	d := driven(t, 4, waved())
	d.revise()
	d.run(time.Second)
	for range MaxOrders + 3 {
		o := d.order(Pause)
		d.run(time.Second)
		if !d.in.Rollout.Has(o.ID) || len(d.in.Rollout.Orders) > MaxOrders {
			t.Fatalf("order %s is not among %+v", o.ID, d.in.Rollout.Orders)
		}
	}
}

// The newest revision reaches the leader by another way than the answer to a pinning. One from before the pins is not rolled out.
func TestAPinnedGroupWaitsForTheRevisionWithThePins(t *testing.T) {
	d := driven(t, 2, waved())
	d.revise()
	d.run(time.Second)
	d.order(Abort)
	d.run(time.Second)
	d.revise()
	d.run(time.Minute)
	d.state(RolledBack) // the pins are due
	d.in = apply(d.in, Pinned(*d.in.Rollout, []fleet.SourceID{"a"}, 4, ""))
	d.run(time.Minute)
	d.state(RolledBack) // revision 3 is without them
	d.revise()
	d.run(time.Second)
	if r := d.in.Rollout; r.Candidate.Revision != 4 {
		t.Errorf("the rollout is %+v", r)
	}
}

func TestWhatBecomesOfAnOrder(t *testing.T) {
	pause, retry := Order{ID: "p", Verb: Pause, Rollout: "5"}, Order{ID: "r", Verb: Retry, Rollout: "5"}
	other := Order{ID: "x", Verb: Retry, Rollout: "5"}
	for _, tt := range []struct {
		name     string
		order    Order
		rollouts []Rollout
		obeyed   fleet.RolloutID
		never    string
	}{
		{name: "no rollout is known", order: pause},
		{name: "a replica has not heard of the rollout yet", order: pause, rollouts: []Rollout{{ID: "4", State: Completed}}},
		{name: "it is not obeyed yet", order: pause, rollouts: []Rollout{{ID: "5", State: Progressing}}},
		{name: "it is obeyed", order: pause, rollouts: []Rollout{{ID: "5", State: Paused, Orders: []Order{pause}}}, obeyed: "5"},
		{name: "it was obeyed, and the rollout has ended", order: pause, obeyed: "5",
			rollouts: []Rollout{{ID: "6", State: Completed}, {ID: "5", State: Superseded, Orders: []Order{pause}}}},
		{name: "the rollout has ended before", order: pause, rollouts: []Rollout{{ID: "5", State: Completed}}, never: "has ended"},
		{name: "another took its place before", order: pause, rollouts: []Rollout{{ID: "6", State: Progressing}, {ID: "5", State: Superseded}},
			never: "rollout 6 has taken the place of rollout 5"},
		{name: "a retry is obeyed by the next", order: retry, rollouts: []Rollout{{ID: "6", Orders: []Order{retry}}}, obeyed: "6"},
		{name: "somebody else's retry did it", order: retry, rollouts: []Rollout{{ID: "6", Orders: []Order{other}}, {ID: "5", State: Halted}},
			obeyed: "6"},
		{name: "a newer revision came before the retry", order: retry, rollouts: []Rollout{{ID: "6"}, {ID: "5", State: Halted}},
			never: "rollout 6 has taken the place"},
	} {
		got := tt.order.Outcome(tt.rollouts)
		if got.Obeyed != tt.obeyed || !strings.Contains(got.Never, tt.never) || tt.never == "" && got.Never != "" {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestOrdersForAGroupAreRemembered(t *testing.T) {
	var o Orders
	for i := range MaxOrders + 2 {
		o = o.With(Order{ID: fmt.Sprint(i), Verb: Freeze})
	}
	_, oldest := o.Find("0")
	second, known := o.Find("1")
	if _, newest := o.Find(fmt.Sprint(MaxOrders + 1)); oldest || !known || second.ID != "1" || !newest || len(o.Earlier) != MaxOrders {
		t.Errorf("kept are %+v", o)
	}
	// A freeze of a frozen group is remembered with the freeze that stands, and does not freeze the group again later.
	o.Group.Reason = "the first reason"
	again := o.Settled(Order{ID: "again", Verb: Freeze, Reason: "another reason"})
	if !again.Done || again.ID != "again" || again.Reason != "the first reason" {
		t.Errorf("a frozen group is frozen by %+v", again)
	}
	o = o.With(again).With(Order{ID: "u", Verb: Unfreeze})
	if found, known := o.Find("again"); !known || found.Reason != "the first reason" || o.Frozen() != nil {
		t.Errorf("after the end of the freeze it is %+v, and the group is frozen by %+v", found, o.Frozen())
	}
	if next := o.Settled(Order{ID: "next", Verb: Freeze}); next.Done {
		t.Errorf("a group that is not frozen is frozen already by %+v", next)
	}
}

func TestAnOrderThatIsDoneIsForNoLaterRollout(t *testing.T) {
	back := Rollout{ID: "00000001", State: RolledBack}
	done := Order{ID: "1", Verb: Abort, Rollout: back.ID, Done: true}
	o := Orders{}.With(done)
	if pending := o.pending(back); len(pending) > 0 {
		t.Errorf("the leader is to obey %+v", pending)
	}
	if what := done.Outcome([]Rollout{{ID: "00000002", State: Progressing}, back}); what.Obeyed != back.ID {
		t.Errorf("the same call after the next rollout began: %+v", what)
	}
}
