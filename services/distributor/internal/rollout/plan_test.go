package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

var (
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	one   = Target{Revision: 1, Digest: "sha256:one"}
	two   = Target{Revision: 2, Digest: "sha256:two"}
)

// place is where the n-th node is.
func place(n int) uint64 { return uint64(n) * 1000 }

func nodes(online, offline int) (all []Node) {
	for i := range online + offline {
		all = append(all, Node{Position: place(i + 1), Online: i < online})
	}
	return all
}

// open is a group of online nodes in wave one of its move from revision 1 to revision 2.
func open(online int) Input {
	in := Input{Group: "g", Newest: two, Nodes: nodes(online, 0), Assignment: &Assignment{Stable: one, Decision: 5}}
	return apply(in, Plan(start, in))
}

// apply does what the store does with a decision.
func apply(in Input, d Decision) Input {
	if d.Rollout != nil {
		in.Rollout = d.Rollout
	}
	if d.Assignment != nil {
		a := *d.Assignment
		a.Decision = 10
		if in.Assignment != nil {
			a.Decision = in.Assignment.Decision + 1
		}
		a.Epoch = in.Epoch
		in.Assignment = &a
	}
	return in
}

// tallied gives a group the tally of its only replica, which counted so many nodes, from the first on.
func tallied(in Input, t Tally) Input {
	next := 0
	take := func(n int) (all Positions) {
		for range n {
			next++
			all = append(all, place(next))
		}
		return all
	}
	t.Decision, t.Loading = in.Assignment.Decision, t.Connected-t.Serving-t.Failed-t.Refused
	t.Nodes = Nodes{Serving: take(t.Serving), Failed: take(t.Failed), Refused: take(t.Refused), Loading: take(t.Loading)}
	in.Tallies = []Tally{t}
	return in
}

func TestFirstStep(t *testing.T) {
	for _, tt := range []struct {
		name          string
		in            Input
		wantState     State
		wantThreshold uint64
		wantStable    Target
	}{
		{name: "nothing was submitted: nothing to do", in: Input{Nodes: nodes(2, 0)}},
		{name: "the newest revision was decided on already", in: Input{Newest: one, Assignment: &Assignment{Stable: one}}},
		{name: "no node online: it waits", in: Input{Newest: one, Nodes: nodes(0, 3)}, wantState: Waiting},
		{name: "a first revision begins with one node and no stable", in: Input{Newest: one, Nodes: nodes(3, 0)}, wantState: Progressing,
			wantThreshold: 1001},
		{name: "the first online node is the first wave", in: Input{Newest: one, Nodes: []Node{{Position: 1}, {Position: 50, Online: true}}},
			wantState: Progressing, wantThreshold: 51},
		{
			name: "the content of stable goes to everybody at once, for it moves nobody", wantState: Progressing, wantThreshold: fleet.MaxPosition,
			wantStable: one,
			in:         Input{Newest: Target{Revision: 2, Digest: one.Digest}, Nodes: nodes(3, 0), Assignment: &Assignment{Stable: one}},
		},
		{
			name: "the content of stable, while nodes hold another, is a rollout like any other", wantState: Progressing, wantThreshold: 1001,
			wantStable: one,
			in: Input{
				Newest: Target{Revision: 4, Digest: one.Digest}, Nodes: nodes(3, 0),
				Rollout:    &Rollout{ID: "00000002", Candidate: Target{Revision: 3}, State: Halted},
				Assignment: &Assignment{Stable: one, Held: []Hold{{Target: two, Reach: Reach{Threshold: 2001}}}},
			},
		},
		{
			name: "the content of stable, while nodes run a candidate, takes that back at once", wantState: Progressing,
			wantThreshold: fleet.MaxPosition, wantStable: one,
			in: Input{
				Newest: Target{Revision: 3, Digest: one.Digest}, Nodes: nodes(3, 0),
				Assignment: &Assignment{Stable: one, Candidate: two, Rollout: "00000001", Reach: Reach{Threshold: 1001}},
				Rollout:    &Rollout{ID: "00000001", Candidate: two, State: Progressing},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Plan(start, tt.in)
			if tt.wantState == "" {
				if !d.IsZero() {
					t.Fatalf("got %+v, want nothing", d)
				}
				return
			}
			if d.Rollout == nil || d.Rollout.State != tt.wantState {
				t.Fatalf("rollout is %+v, want state %s", d.Rollout, tt.wantState)
			}
			if d.Assignment.Threshold != tt.wantThreshold || !d.Assignment.Stable.Same(tt.wantStable) {
				t.Errorf("assignment is %+v, want threshold %d and stable %+v", d.Assignment, tt.wantThreshold, tt.wantStable)
			}
		})
	}
}

func TestNextStep(t *testing.T) {
	second := func(in Input) Input { // both waves out
		return apply(in, Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})))
	}
	soaking := func(in Input) Input {
		in.Rollout.Policy.Waves = []Wave{{Nodes: 1, Soak: time.Minute}, {Percent: 100}}
		return tallied(in, Tally{Connected: 1, Serving: 1})
	}
	baking := func(in Input) Input { // all three serve, and the last wave is watched
		in = second(in)
		r := *in.Rollout
		r.Policy.Waves = []Wave{{Nodes: 1}, {Percent: 100, Soak: time.Minute}}
		r.State, r.SettleTime = Soaking, start
		in.Rollout, in.Ages.Settle = &r, time.Second
		return tallied(in, Tally{Connected: 3, Serving: 3})
	}
	old := func(in Input, ago time.Duration) Input {
		in.Ages.Wave = ago
		return in
	}
	policy := func(in Input, p Policy) Input {
		r := *in.Rollout
		r.Policy = p
		in.Rollout = &r
		return in
	}
	newer := func(in Input) Input {
		in.Newest = Target{Revision: 3, Digest: "sha256:three"}
		return in
	}
	for _, tt := range []struct {
		name          string
		in            Input
		wantState     State // empty: nothing is written
		wantThreshold uint64
		wantStable    fleet.Revision
		wantWait      time.Duration
	}{
		{name: "nobody has answered", in: open(3), wantWait: 10 * time.Minute},
		{name: "the first node serves: all follow", in: tallied(open(3), Tally{Connected: 1, Serving: 1}), wantState: Progressing,
			wantThreshold: fleet.MaxPosition, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "a tally of an older decision settles nothing", in: func() Input {
			in := tallied(open(3), Tally{Connected: 1, Serving: 1})
			in.Tallies[0].Decision--
			return in
		}(), wantWait: 10 * time.Minute},
		{name: "an online node without a stream holds the wave", in: tallied(second(open(3)), Tally{Connected: 2, Serving: 2}),
			wantWait: 10 * time.Minute},
		{name: "a stream that the registry does not know of holds the wave", in: tallied(second(open(3)), Tally{Connected: 4, Serving: 3}),
			wantWait: 10 * time.Minute},
		{name: "all serve: completed", in: tallied(second(open(3)), Tally{Connected: 3, Serving: 3}), wantState: Completed, wantStable: 2},
		{name: "an offline node holds nothing", in: func() Input {
			in := tallied(second(open(3)), Tally{Connected: 2, Serving: 2})
			in.Nodes = nodes(2, 1)
			return in
		}(), wantState: Completed, wantStable: 2},
		{name: "the wave's node went away: another takes its place", in: func() Input {
			in := open(3)
			in.Nodes[0].Online = false
			return in
		}(), wantState: Progressing, wantThreshold: 2001, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "all nodes went away: it waits", in: func() Input {
			in := open(3)
			in.Nodes = nodes(0, 3)
			return in
		}(), wantState: Waiting},
		{name: "one refusal in wave one halts and keeps stable", in: tallied(open(3),
			Tally{Connected: 1, Refused: 1, Refusals: []Refusal{{Node: "n"}}}), wantState: Halted, wantStable: 1},
		{name: "one refusal in the last wave halts and keeps stable", in: tallied(second(open(3)), Tally{Connected: 3, Serving: 2, Refused: 1}),
			wantState: Halted, wantStable: 1},
		{name: "the deadline halts", in: old(open(3), 10*time.Minute), wantState: Halted, wantStable: 1},
		{name: "a policy's own deadline halts", in: old(policy(open(3), Policy{Deadline: new(time.Second)}), time.Second), wantState: Halted,
			wantStable: 1},
		{name: "a failure is waited out first", in: tallied(open(3), Tally{Connected: 1, Failed: 1}), wantState: Progressing,
			wantWait: failureGrace},
		{name: "a failure waits for the others", in: tallied(second(open(3)), Tally{Connected: 3, Failed: 1, Serving: 1}),
			wantWait: 10 * time.Minute},
		{name: "a failure that lasts halts", in: func() Input {
			in := tallied(open(3), Tally{Connected: 1, Failed: 1})
			r := *in.Rollout
			r.FailTime = start
			in.Rollout, in.Ages.Fail = &r, failureGrace
			return in
		}(), wantState: Halted, wantStable: 1},
		{name: "tolerated failures do not hold the wave", in: tallied(second(policy(open(10), Policy{MaxFailedPercent: 10})),
			Tally{Connected: 10, Failed: 1, Serving: 9}), wantState: Completed, wantStable: 2},
		{name: "a wave is watched before the next", in: soaking(open(3)), wantState: Soaking, wantWait: time.Minute},
		{name: "a refusal during the soak halts", in: func() Input {
			in := soaking(open(3))
			return tallied(in, Tally{Connected: 1, Refused: 1})
		}(), wantState: Halted, wantStable: 1},
		{name: "nobody knows any more who serves, long after the wave began: it is waited for, and watched anew", in: func() Input {
			in := old(soaking(open(3)), time.Hour)
			in.Rollout.State, in.Rollout.SettleTime, in.Ages.Settle = Soaking, start, time.Second
			in.Tallies[0].Nodes = Nodes{}
			return in
		}(), wantState: Progressing, wantWait: 10 * time.Minute},
		{name: "the soak is over: all follow", in: func() Input {
			in := soaking(open(3))
			in.Rollout.State, in.Rollout.SettleTime, in.Ages.Settle = Soaking, start, time.Minute
			return in
		}(), wantState: Progressing, wantThreshold: fleet.MaxPosition, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "the last wave bakes before the rollout completes", in: func() Input {
			in := baking(open(3))
			in.Rollout.State, in.Rollout.SettleTime, in.Ages.Settle = Progressing, time.Time{}, 0
			return in
		}(), wantState: Soaking, wantWait: time.Minute},
		{name: "nothing is written while it bakes", in: baking(open(3)), wantWait: 59 * time.Second},
		{name: "the bake is over: completed", in: func() Input {
			in := baking(open(3))
			in.Ages.Settle = time.Minute
			return in
		}(), wantState: Completed, wantStable: 2},
		{
			name: "a refusal during the bake halts", in: tallied(baking(open(3)), Tally{Connected: 3, Serving: 2, Refused: 1}),
			wantState: Halted, wantStable: 1,
		},
		{
			name: "a failure during the bake is waited out first", in: tallied(baking(open(3)), Tally{Connected: 3, Serving: 2, Failed: 1}),
			wantState: Progressing, wantWait: failureGrace,
		},
		{name: "a failure during the bake that lasts halts, and stable does not move", in: func() Input {
			in := tallied(baking(open(3)), Tally{Connected: 3, Serving: 2, Failed: 1})
			in.Rollout.State, in.Rollout.FailTime, in.Ages.Fail = Progressing, start, failureGrace
			return in
		}(), wantState: Halted, wantStable: 1},
		{
			name: "a newer revision waits for the end of the bake", in: newer(baking(open(3))), wantWait: 59 * time.Second,
		},
		{name: "at the end of the bake the rollout completes, also when a newer revision waits", in: func() Input {
			in := newer(baking(open(3)))
			in.Ages.Settle = time.Minute
			return in
		}(), wantState: Completed, wantStable: 2},
		{name: "what takes the candidate back does not wait for the bake", in: func() Input {
			in := baking(open(3))
			in.Newest = Target{Revision: 3, Digest: one.Digest}
			return in
		}(), wantState: Progressing, wantThreshold: fleet.MaxPosition, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "from 20 nodes on a quarter loads at once", in: tallied(open(40), Tally{Connected: 1, Serving: 1}), wantState: Progressing,
			wantThreshold: 11001, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "a newer revision waits for a rollout that gets on", in: newer(second(open(3))), wantWait: stuckAfter},
		{name: "a newer revision takes the place of a rollout that gets no further", in: func() Input {
			in := newer(second(open(3)))
			in.Ages.Idle = stuckAfter
			return in
		}(), wantState: Progressing, wantThreshold: 1001, wantStable: 1, wantWait: 10 * time.Minute},
		{
			name: "a newer revision takes the place of a rollout with too many failures", wantState: Progressing, wantThreshold: 2001,
			wantStable: 1, wantWait: 10 * time.Minute,
			in: newer(tallied(open(3), Tally{Connected: 1, Failed: 1})),
		},
		{name: "a newer revision waits while nodes load, though one failed",
			in: newer(tallied(second(open(3)), Tally{Connected: 3, Serving: 1, Failed: 1})), wantWait: stuckAfter},
		{name: "a newer revision takes over at a gate", in: newer(tallied(open(3), Tally{Connected: 1, Serving: 1})), wantState: Progressing,
			wantThreshold: 1001, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "but not from one that took over itself", in: func() Input {
			in := newer(tallied(open(3), Tally{Connected: 1, Serving: 1}))
			in.Rollout.TookOver = true
			return in
		}(), wantState: Progressing, wantThreshold: fleet.MaxPosition, wantStable: 1, wantWait: stuckAfter},
		{name: "a newer revision waits for the end of a soak", in: newer(soaking(open(3))), wantState: Soaking, wantWait: time.Minute},
		{name: "what takes the candidate back does not wait", in: func() Input {
			in := second(open(3))
			in.Newest = Target{Revision: 3, Digest: one.Digest}
			return in
		}(), wantState: Progressing, wantThreshold: fleet.MaxPosition, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "a node that never answers is a failure that is tolerated, once the others waited for it", in: func() Input {
			in := tallied(second(policy(open(10), Policy{MaxFailedPercent: 10})), Tally{Connected: 10, Serving: 9})
			in.Rollout.FailTime, in.Ages.Fail = start, failureGrace
			return in
		}(), wantState: Completed, wantStable: 2},
		{name: "it is waited for first", in: tallied(second(policy(open(10), Policy{MaxFailedPercent: 10})), Tally{Connected: 10, Serving: 9}),
			wantState: Progressing, wantWait: failureGrace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Plan(start, tt.in)
			if (d.Rollout == nil) != (tt.wantState == "") || d.Rollout != nil && d.Rollout.State != tt.wantState {
				t.Fatalf("rollout is %+v, want state %q", d.Rollout, tt.wantState)
			}
			if (d.Assignment == nil) != (tt.wantStable == 0) {
				t.Fatalf("assignment is %+v, want stable %d", d.Assignment, tt.wantStable)
			}
			if d.Assignment != nil && (d.Assignment.Threshold != tt.wantThreshold || d.Assignment.Stable.Revision != tt.wantStable) {
				t.Errorf("assignment is %+v, want threshold %d and stable %d", d.Assignment, tt.wantThreshold, tt.wantStable)
			}
			if d.Wait != tt.wantWait {
				t.Errorf("wait is %s, want %s", d.Wait, tt.wantWait)
			}
			if tt.wantState == Halted && (!d.Assignment.Candidate.IsZero() || d.Rollout.Reason == "") {
				t.Errorf("halted with %+v, %q: want no candidate, and a reason", d.Assignment, d.Rollout.Reason)
			}
		})
	}
}

func TestSupersededIsWritten(t *testing.T) {
	in := tallied(open(3), Tally{Connected: 1, Serving: 1})
	in.Newest = Target{Revision: 3, Digest: "sha256:three"}
	d := Plan(start, in)
	if d.Ended == nil || d.Ended.State != Superseded || d.Ended.ID == d.Rollout.ID || d.Rollout.ID < d.Ended.ID {
		t.Errorf("ended %+v, began %+v", d.Ended, d.Rollout)
	}
}

// Five gateways, one of which never answers a load: what the others were proven with stays theirs when a later revision is refused.
func TestAHaltGivesBackWhatEachNodeHad(t *testing.T) {
	in := Input{Group: "g", Nodes: nodes(5, 0), Assignment: &Assignment{Stable: one, Decision: 5}}
	for revision := fleet.Revision(2); revision <= 4; revision++ {
		in.Newest = Target{Revision: revision, Digest: fleet.Digest(rune('a' + revision))}
		in = apply(in, Plan(start, in))
		if got := in.Rollout.Candidate.Revision; got != revision {
			t.Fatalf("revision %d is under way, want %d", got, revision)
		}
		for range 2 { // both waves; the last node is silent
			wave := within(count(in, *in.Rollout, *in.Assignment).online, in.Assignment.Threshold)
			in = apply(in, Plan(start, tallied(in, Tally{Connected: wave, Serving: min(wave, 4)})))
		}
		if revision == 2 { // the first time nobody knows that it is sick: the wave has its time
			in.Ages.Wave = DefaultDeadline
			in = apply(in, Plan(start, tallied(in, Tally{Connected: 5, Serving: 4})))
			in.Ages = Ages{}
			if in.Rollout.State != Halted || !slices.Equal(in.Rollout.Fallback, []fleet.Revision{2}) {
				t.Fatalf("the rollout of what four of five serve is %+v", in.Rollout)
			}
		} else if in.Rollout.State != Completed {
			t.Fatalf("revision %d is %s %q: a node that was sick before must hold up nobody", revision, in.Rollout.State, in.Rollout.Reason)
		}
	}
	if got := in.Rollout.Absentees; len(got) != 1 {
		t.Errorf("left out are %v, want the silent node", got)
	}
	in.Newest = Target{Revision: 5, Digest: "sha256:five"}
	in = apply(in, Plan(start, in))
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Refused: 1, Refusals: []Refusal{{Node: "n1"}}})))
	if in.Rollout.State != Halted || !slices.Equal(in.Rollout.Fallback, []fleet.Revision{4}) {
		t.Errorf("the refused rollout is %+v", in.Rollout)
	}
	for i, n := range in.Nodes {
		if got := in.Assignment.Target(n.Position).Revision; got != 4 {
			t.Errorf("after the halt, node %d is to run revision %d, want 4", i+1, got)
		}
	}
}

func TestSickNodesAreLeftOut(t *testing.T) {
	sick := func(in Input, at ...int) Input {
		in.Nodes = append([]Node(nil), in.Nodes...)
		for _, i := range at {
			in.Nodes[i].Sick, in.Nodes[i].Name = "its gateway does not answer", fleet.NodeID(fmt.Sprint("n", i+1))
		}
		return in
	}
	group := func(n int, at ...int) Input {
		in := sick(Input{Group: "g", Newest: two, Nodes: nodes(n, 0), Assignment: &Assignment{Stable: one, Decision: 5}}, at...)
		return apply(in, Plan(start, in))
	}
	t.Run("the first wave is the first healthy node", func(t *testing.T) {
		in := group(3, 0)
		if in.Assignment.Threshold != place(2)+1 || len(in.Rollout.LeftOut) != 1 || in.Rollout.Absentees[0].Node != "n1" {
			t.Errorf("threshold %d, rollout %+v", in.Assignment.Threshold, in.Rollout)
		}
		in.Tallies = []Tally{{Decision: in.Assignment.Decision, Connected: 2, Serving: 1, Failed: 1,
			Nodes: Nodes{Failed: Positions{place(1)}, Serving: Positions{place(2)}}}}
		in = apply(in, Plan(start, in))
		if in.Assignment.Threshold != fleet.MaxPosition {
			t.Errorf("the wave waits for the sick node: %+v", in.Rollout)
		}
		in.Tallies = []Tally{{Decision: in.Assignment.Decision, Connected: 3, Serving: 2, Failed: 1,
			Nodes: Nodes{Failed: Positions{place(1)}, Serving: Positions{place(2), place(3)}}}}
		in = apply(in, Plan(start, in))
		if in.Rollout.State != Completed || in.Rollout.Progress != (Progress{Online: 3, InWave: 2, Serving: 2, LeftOut: 1}) {
			t.Errorf("the rollout is %+v", in.Rollout)
		}
	})
	t.Run("one that serves all the same counts", func(t *testing.T) {
		in := group(2, 0)
		in.Tallies = []Tally{{Decision: in.Assignment.Decision, Connected: 2, Serving: 2, Nodes: Nodes{Serving: Positions{place(1), place(2)}}}}
		if in = apply(in, Plan(start, in)); in.Rollout.State != Progressing {
			t.Fatalf("the rollout is %+v", in.Rollout)
		}
		in.Tallies[0].Decision = in.Assignment.Decision
		if in = apply(in, Plan(start, in)); in.Rollout.State != Completed || in.Rollout.Progress != (Progress{Online: 2, InWave: 2, Serving: 2}) {
			t.Errorf("the rollout is %+v", in.Rollout)
		}
	})
	t.Run("a refusal counts, whoever refuses", func(t *testing.T) {
		in := group(2, 0)
		in.Tallies = []Tally{{Decision: in.Assignment.Decision, Connected: 1, Refused: 1, Nodes: Nodes{Refused: Positions{place(1)}}}}
		if in = apply(in, Plan(start, in)); in.Rollout.State != Halted {
			t.Errorf("the rollout is %+v", in.Rollout)
		}
	})
	t.Run("one that falls sick once it has the candidate counts", func(t *testing.T) {
		in := tallied(sick(group(2), 0), Tally{Connected: 1, Failed: 1})
		in.Rollout.FailTime, in.Ages.Fail = start, failureGrace
		if in = apply(in, Plan(start, in)); in.Rollout.State != Halted || !slices.Equal(in.Rollout.Fallback, []fleet.Revision{1}) {
			t.Errorf("the rollout is %+v", in.Rollout)
		}
	})
	t.Run("where all are sick nobody is left out", func(t *testing.T) {
		in := group(2, 0, 1)
		if in.Assignment.Threshold != place(1)+1 || len(in.Rollout.LeftOut) != 0 {
			t.Errorf("threshold %d, rollout %+v", in.Assignment.Threshold, in.Rollout)
		}
	})
}

// A rollout that most of its nodes serve is good, and a halt for the others' sake takes it from nobody.
func TestAHaltKeepsWhatMostNodesServe(t *testing.T) {
	for _, tt := range []struct {
		serving int
		want    fleet.Revision
	}{{serving: 3, want: 2}, {serving: 2, want: 1}} {
		in := open(4)
		in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})))
		in = tallied(in, Tally{Connected: 4, Serving: tt.serving, Failed: 4 - tt.serving})
		in.Rollout.FailTime, in.Ages.Fail = start, failureGrace
		in = apply(in, Plan(start, in))
		if got := in.Assignment.Target(place(1)).Revision; in.Rollout.State != Halted || got != tt.want || in.Rollout.Fallback[0] != tt.want ||
			in.Assignment.Rollout != "" {
			t.Errorf("%d of 4 serve: the nodes are to run revision %d, want %d; rollout %+v", tt.serving, got, tt.want, in.Rollout)
		}
	}
}

// What another leader's clock wrote ends no phase: only time that this leader saw pass counts.
func TestAForeignClockEndsNothing(t *testing.T) {
	for _, offset := range []time.Duration{-31 * time.Minute, -11 * time.Minute, 11 * time.Minute, 31 * time.Minute} {
		in := tallied(open(3), Tally{Connected: 1})
		var watch Stopwatch
		in.Ages = watch.Measure(start.Add(offset), in.Rollout, 0)
		if d := Plan(start.Add(offset), in); d.Rollout != nil {
			t.Errorf("a leader whose clock is off by %s decided %+v", offset, d.Rollout)
		}
		in = open(3)
		in.Rollout.Policy.Waves = []Wave{{Nodes: 1, Soak: 30 * time.Minute}, {Percent: 100}}
		in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})))
		in.Ages = watch.Measure(start.Add(offset), in.Rollout, 1)
		if d := Plan(start.Add(offset), tallied(in, Tally{Connected: 1, Serving: 1})); d.Assignment != nil || d.Wait != 30*time.Minute {
			t.Errorf("a leader whose clock is off by %s waits %s: %+v", offset, d.Wait, d.Assignment)
		}
		// Its own time does count.
		in.Ages = watch.Measure(start.Add(offset+30*time.Minute), in.Rollout, 1)
		if d := Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})); d.Assignment == nil {
			t.Errorf("the soak does not end")
		}
	}
}
