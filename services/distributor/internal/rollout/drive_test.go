package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A drive is a group whose nodes do at once what they are told, but for those that hang, fail or refuse, and a leader that asks Plan
// ten times a second.
type drive struct {
	t     *testing.T
	in    Input
	watch Stopwatch
	now   time.Time
	clock time.Duration // how far the leader's clock is ahead
	runs  []Target      // what each node was proven with last
	hangs map[int]bool
	fails map[int]bool
	keeps map[int]bool // unmanaged, and would lose something
	bad   fleet.Digest // the content that gateways refuse
	began []fleet.Revision
	ended []Rollout
}

// driven is a group whose nodes all run revision 1.
func driven(t *testing.T, online int, p Policy) *drive {
	d := &drive{t: t, now: start, hangs: map[int]bool{}, fails: map[int]bool{}, keeps: map[int]bool{},
		in: Input{Group: "g", Nodes: nodes(online, 0), Policy: p}, runs: make([]Target, online)}
	d.revise()
	for d.in.Assignment == nil || d.in.Assignment.Stable.Revision != 1 {
		d.run(time.Second)
	}
	d.began, d.ended = nil, nil
	return d
}

func (d *drive) revise() Target {
	n := d.in.Newest.Revision + 1
	d.in.Newest = Target{Revision: n, Digest: fleet.Digest(fmt.Sprint("sha256:", n))}
	return d.in.Newest
}

func (d *drive) run(long time.Duration) {
	for until := d.now.Add(long); d.now.Before(until); d.now = d.now.Add(100 * time.Millisecond) {
		d.tick()
	}
}

func (d *drive) tick() {
	for range 10 {
		t := Tally{}
		if a := d.in.Assignment; a != nil {
			t.Decision = a.Decision
			for i := range d.in.Nodes {
				d.act(i, &t, *a)
			}
		}
		t = Tally{Decision: t.Decision, Nodes: t.Nodes, Serving: len(t.Nodes.Serving), Loading: len(t.Nodes.Loading),
			Refused: len(t.Nodes.Refused), Failed: len(t.Nodes.Failed)}
		t.Connected = t.Serving + t.Loading + t.Refused + t.Failed
		d.in.Tallies = []Tally{t}
		now := d.now.Add(d.clock)
		d.in.Ages = d.watch.Measure(now, d.in.Rollout, Count(d.in).Serving)
		decision := Plan(now, d.in)
		if decision.IsZero() {
			return
		}
		if e := decision.Ended; e != nil {
			d.ended = append(d.ended, *e)
		}
		if r := decision.Rollout; r != nil && (d.in.Rollout == nil || d.in.Rollout.ID != r.ID) {
			d.began = append(d.began, r.Candidate.Revision)
		}
		if r := decision.Rollout; r != nil && !r.State.Open() {
			d.ended = append(d.ended, *r)
		}
		d.in = apply(d.in, decision)
	}
	d.t.Fatal("the plan never comes to rest")
}

// act is what node i does, and what is counted of it.
func (d *drive) act(i int, t *Tally, a Assignment) {
	position := d.in.Nodes[i].Position
	target := a.Target(position)
	well := !target.IsZero() && !d.hangs[i] && !d.fails[i] && !d.keeps[i] && target.Digest != d.bad
	if well {
		d.runs[i] = target
	}
	if !a.Includes(position) {
		return
	}
	into := &t.Nodes.Loading
	switch {
	case target.Digest == d.bad:
		into = &t.Nodes.Refused
	case d.runs[i].Same(target):
		into = &t.Nodes.Serving
	case d.fails[i]:
		into = &t.Nodes.Failed
	}
	if d.keeps[i] {
		into, t.Nodes.Kept = &t.Nodes.Failed, append(t.Nodes.Kept, position)
	}
	*into = append(*into, position)
}

// refuse submits what every gateway refuses, and waits until the group is quiet.
func (d *drive) refuse() {
	d.bad = d.revise().Digest
	d.run(20 * time.Minute)
	if d.in.Rollout.Candidate.Digest != d.bad || d.in.Rollout.State != Halted || len(d.in.Rollout.Fallback) == 0 {
		d.t.Errorf("the refused revision's rollout is %+v", d.in.Rollout)
	}
}

func (d *drive) revisions() (all []fleet.Revision) {
	for _, r := range d.runs {
		all = append(all, r.Revision)
	}
	return all
}

func (d *drive) want(want ...fleet.Revision) {
	d.t.Helper()
	if got := d.revisions(); !slices.Equal(got, want) {
		d.t.Errorf("the nodes run %v, want %v", got, want)
	}
}

func TestAHaltLeavesProvenNodesAlone(t *testing.T) {
	t.Run("one gateway hangs, newer revisions take over, and the last is refused", func(t *testing.T) {
		d := driven(t, 5, Policy{})
		d.hangs[3] = true
		for range 3 {
			d.revise()
			d.run(time.Minute)
		}
		d.want(4, 4, 4, 1, 4)
		d.refuse()
		d.want(4, 4, 4, 1, 4)
	})
	t.Run("one gateway hangs until the deadline, and the next revision is refused", func(t *testing.T) {
		d := driven(t, 5, Policy{})
		d.hangs[3] = true
		d.revise()
		d.run(11 * time.Minute)
		if d.in.Rollout.State != Halted {
			t.Errorf("the rollout is %+v", d.in.Rollout)
		}
		d.want(2, 2, 2, 1, 2)
		d.refuse()
		d.want(2, 2, 2, 1, 2)
	})
	t.Run("a burst of good revisions, then one that is refused", func(t *testing.T) {
		d := driven(t, 5, Policy{Waves: []Wave{{Nodes: 1}, {Percent: 60, Soak: 5 * time.Second}, {Percent: 100}}})
		for range 6 {
			d.revise()
			d.run(3 * time.Second)
		}
		proven := d.revisions()
		d.refuse()
		for i, r := range d.revisions() {
			if r < proven[i] {
				t.Errorf("node %d went from revision %d back to %d", i+1, proven[i], r)
			}
		}
	})
	t.Run("a candidate that is proven on half of the nodes that it reached is withdrawn", func(t *testing.T) {
		d := driven(t, 4, Policy{})
		d.hangs[2], d.hangs[3] = true, true
		d.revise()
		d.run(11 * time.Minute)
		d.want(1, 1, 1, 1)
		if got := d.in.Rollout.Fallback; !slices.Equal(got, []fleet.Revision{1}) {
			t.Errorf("it falls back to %v", got)
		}
	})
	t.Run("a refusal withdraws the candidate from those that serve it, to what each of them had", func(t *testing.T) {
		d := driven(t, 4, Policy{Waves: []Wave{{Nodes: 2, Soak: time.Minute}, {Percent: 75, Soak: time.Minute}, {Percent: 100}}})
		d.revise()
		d.run(30 * time.Second)
		d.revise() // takes over at the end of the first wave
		d.run(time.Minute)
		d.want(3, 3, 1, 1)
		d.bad = d.in.Newest.Digest
		d.run(time.Minute)
		d.want(2, 2, 1, 1)
	})
}

// The state of things that a take-over in the middle of a wave leaves behind outlives a halt.
func TestHoldsOutliveAHalt(t *testing.T) {
	in := open(3)
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Serving: 1}))) // wave two: all three are to load revision 2
	in.Newest = Target{Revision: 3, Digest: "sha256:three"}
	in = tallied(in, Tally{Connected: 3, Serving: 2})
	d := Plan(start, in)
	if !d.IsZero() || d.Wait != stuckAfter {
		t.Fatalf("decided %+v at once", d)
	}
	in.Ages.Idle = stuckAfter
	d = Plan(start, in)
	in = apply(in, d)
	in.Ages = Ages{}
	if d.Ended == nil || d.Ended.State != Superseded {
		t.Fatalf("decided %+v", d)
	}
	expect(t, in, 3, 2, 2)
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Refused: 1, Refusals: []Refusal{{Node: "n1"}}})))
	expect(t, in, 2, 2, 2)
	if got := in.Rollout.Fallback; !slices.Equal(got, []fleet.Revision{2}) {
		t.Errorf("it falls back to %v", got)
	}
	in.Newest = Target{Revision: 4, Digest: "sha256:four"}
	in.Tallies = nil
	in = apply(in, Plan(start, in))
	expect(t, in, 4, 2, 2)
	// What is complete needs no holds.
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})))
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 3, Serving: 3})))
	expect(t, in, 4, 4, 4)
	if len(in.Assignment.Held) > 0 {
		t.Errorf("still held: %+v", in.Assignment.Held)
	}
}

func expect(t *testing.T, in Input, want ...fleet.Revision) {
	t.Helper()
	for i, n := range in.Nodes {
		if got := in.Assignment.Target(n.Position).Revision; got != want[i] {
			t.Errorf("node %d is to run revision %d, want %d", i+1, got, want[i])
		}
	}
}

// At the bound no node is sent back: the open rollout goes to its end first.
func TestAStormOfRevisionsNeverSendsANodeBack(t *testing.T) {
	in := Input{Group: "g", Nodes: nodes(100, 0), Newest: Target{Revision: 200, Digest: "sha256:200"},
		Policy: Policy{Waves: []Wave{{Nodes: 1}, {Nodes: 2}, {Percent: 100}}}}
	in.Assignment = &Assignment{Stable: one}
	for i := range maxHolds {
		in.Assignment.Held = append(in.Assignment.Held, Hold{Target: Target{Revision: fleet.Revision(100 - i), Digest: one.Digest},
			Reach: Reach{Threshold: place(10+i) + 1}})
	}
	in = apply(in, Plan(start, in))
	in.Newest = Target{Revision: 201, Digest: "sha256:201"}
	d := Plan(start, tallied(in, Tally{Connected: 1, Serving: 1}))
	if d.Ended != nil || d.Rollout == nil || d.Rollout.Wave != 2 {
		t.Errorf("at the bound of holds it decided %+v", d)
	}
	in.Assignment.Held = in.Assignment.Held[1:]
	if d = Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})); d.Ended == nil || len(d.Assignment.Held) != maxHolds {
		t.Errorf("below the bound it decided %+v", d)
	}
	in.Assignment.Held[0].Target.Digest = "sha256:other"
	if d = Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})); d.Ended != nil || d.Rollout == nil || d.Rollout.Wave != 2 {
		t.Errorf("with nodes on two contents outside of the wave it decided %+v", d)
	}
}

func TestFrequentChangesStarveNobody(t *testing.T) {
	d := driven(t, 4, Policy{Waves: []Wave{{Nodes: 1, Soak: 6 * time.Second}, {Percent: 100}}})
	for n := range 40 {
		d.revise()
		d.run(3500 * time.Millisecond)
		lowest := slices.Min(d.revisions())
		if n > 8 && d.in.Newest.Revision-lowest > 8 {
			t.Fatalf("the newest revision is %d, and the nodes run %v", d.in.Newest.Revision, d.revisions())
		}
	}
	d.run(time.Minute)
	d.want(41, 41, 41, 41)
}

// The bake delays the next rollout, and holds up none: every rollout completes, and stable follows.
func TestFrequentChangesDoNotStarveDuringTheBake(t *testing.T) {
	d := driven(t, 4, Policy{Waves: []Wave{{Nodes: 1, Soak: 2 * time.Second}, {Percent: 100, Soak: 8 * time.Second}}})
	for n := range 40 {
		d.revise()
		d.run(3500 * time.Millisecond)
		if behind := d.in.Newest.Revision - d.in.Assignment.Stable.Revision; n > 8 && behind > 8 {
			t.Fatalf("the newest revision is %d, and stable is %d behind", d.in.Newest.Revision, behind)
		}
	}
	d.run(time.Minute)
	d.want(41, 41, 41, 41)
	for _, r := range d.ended {
		if r.State == Completed && r.EndTime.Sub(r.SettleTime) < 8*time.Second {
			t.Errorf("revision %d completed after a bake of %s", r.Candidate.Revision, r.EndTime.Sub(r.SettleTime))
		}
	}
}

func TestBake(t *testing.T) {
	bakes := Policy{Waves: []Wave{{Nodes: 1}, {Percent: 100, Soak: 10 * time.Minute}}}
	baking := func(t *testing.T) *drive {
		d := driven(t, 4, bakes)
		d.revise()
		d.run(time.Minute)
		d.want(2, 2, 2, 2)
		if r := d.in.Rollout; r.State != Soaking || r.Wave != 2 || d.in.Assignment.Stable.Revision != 1 {
			t.Fatalf("the rollout is %+v, stable is %+v", r, d.in.Assignment.Stable)
		}
		return d
	}
	t.Run("stable moves when it is over", func(t *testing.T) {
		d := baking(t)
		d.run(8 * time.Minute)
		if d.in.Rollout.State != Soaking {
			t.Errorf("before its time the rollout is %+v", d.in.Rollout)
		}
		d.run(2 * time.Minute)
		if d.in.Rollout.State != Completed || d.in.Assignment.Stable.Revision != 2 {
			t.Errorf("after it the rollout is %+v, stable is %+v", d.in.Rollout, d.in.Assignment.Stable)
		}
	})
	t.Run("a node that reconnects does not begin it anew, and is waited for at its end", func(t *testing.T) {
		d := baking(t)
		for range 3 {
			d.hangs[3], d.runs[3] = true, Target{}
			d.run(30 * time.Second)
			if d.in.Rollout.State != Progressing {
				t.Fatalf("while a node loads the rollout is %+v", d.in.Rollout)
			}
			d.hangs[3] = false
			d.run(2 * time.Minute)
		}
		d.hangs[3], d.runs[3] = true, Target{}
		d.run(4 * time.Minute)
		if d.in.Rollout.State != Progressing {
			t.Fatalf("after its time, while a node loads, the rollout is %+v", d.in.Rollout)
		}
		d.hangs[3] = false
		d.run(time.Second)
		if d.in.Rollout.State != Completed {
			t.Errorf("once all serve the rollout is %+v", d.in.Rollout)
		}
	})
	t.Run("when half of the nodes do not serve it begins anew", func(t *testing.T) {
		d := baking(t)
		d.run(8 * time.Minute)
		for _, i := range []int{1, 2} {
			d.hangs[i], d.runs[i] = true, Target{}
		}
		d.run(time.Second)
		d.hangs = map[int]bool{}
		d.run(9 * time.Minute)
		if d.in.Rollout.State != Soaking {
			t.Errorf("the rollout is %+v", d.in.Rollout)
		}
		d.run(2 * time.Minute)
		if d.in.Rollout.State != Completed {
			t.Errorf("after the whole time the rollout is %+v", d.in.Rollout)
		}
	})
	t.Run("a node that fails halts it, and what the others serve stays", func(t *testing.T) {
		d := baking(t)
		d.fails[3], d.runs[3] = true, Target{}
		d.run(time.Minute)
		if r := d.in.Rollout; r.State != Halted || d.in.Assignment.Stable.Revision != 1 || !slices.Equal(r.Fallback, []fleet.Revision{2}) {
			t.Errorf("the rollout is %+v, stable is %+v", r, d.in.Assignment.Stable)
		}
	})
	t.Run("a refusal takes the candidate back", func(t *testing.T) {
		d := baking(t)
		d.bad = d.in.Newest.Digest
		d.run(time.Second)
		if d.in.Rollout.State != Halted {
			t.Errorf("the rollout is %+v", d.in.Rollout)
		}
		d.want(1, 1, 1, 1)
	})
	t.Run("a newer revision waits for its end; the way back does not", func(t *testing.T) {
		d := baking(t)
		d.revise()
		d.run(time.Minute)
		d.want(2, 2, 2, 2)
		d.run(9 * time.Minute)
		d.want(3, 3, 3, 3)
		if d.in.Assignment.Stable.Revision != 2 || d.in.Rollout.State != Soaking {
			t.Errorf("the rollout is %+v, stable is %+v", d.in.Rollout, d.in.Assignment.Stable)
		}
		d.in.Newest = Target{Revision: 4, Digest: d.in.Assignment.Stable.Digest}
		d.run(time.Second)
		d.want(4, 4, 4, 4)
		if d.in.Rollout.State != Completed {
			t.Errorf("the way back is %+v", d.in.Rollout)
		}
	})
	t.Run("another leader measures it from its own beginning", func(t *testing.T) {
		d := baking(t)
		d.run(5 * time.Minute)
		d.clock, d.watch = 31*time.Minute, Stopwatch{}
		d.run(9 * time.Minute)
		if d.in.Rollout.State != Soaking {
			t.Errorf("the rollout is %+v", d.in.Rollout)
		}
		d.run(2 * time.Minute)
		if d.in.Rollout.State != Completed {
			t.Errorf("the rollout is %+v", d.in.Rollout)
		}
	})
}

func TestABurstIsFewRollouts(t *testing.T) {
	d := driven(t, 5, Policy{})
	for range 20 {
		d.revise()
		d.now = d.now.Add(10 * time.Millisecond)
		d.in.Tallies = nil
		decision := Plan(d.now, d.in)
		if decision.Rollout != nil && decision.Rollout.ID > d.in.Rollout.ID {
			d.began = append(d.began, decision.Rollout.Candidate.Revision)
		}
		d.in = apply(d.in, decision)
	}
	d.run(10 * time.Second)
	if want := []fleet.Revision{2, 21}; !slices.Equal(d.began, want) {
		t.Errorf("rollouts were opened for %v, want %v", d.began, want)
	}
	d.want(21, 21, 21, 21, 21)
}

func TestTakingOver(t *testing.T) {
	soaks := Policy{Waves: []Wave{{Nodes: 2, Soak: 6 * time.Second}, {Percent: 100}}}
	t.Run("at the gate, not before it, and not twice in a row", func(t *testing.T) {
		d := driven(t, 4, soaks)
		d.revise()
		d.run(time.Second)
		d.revise()
		d.run(4 * time.Second)
		d.want(2, 2, 1, 1)
		d.run(2 * time.Second)
		d.want(3, 3, 1, 1)
		d.revise()
		d.run(6 * time.Second)
		d.want(4, 4, 3, 3) // revision 3 went on to its end, and then revision 4 began
	})
	t.Run("going back to what nodes had acts at once, for all", func(t *testing.T) {
		d := driven(t, 4, soaks)
		d.revise()
		d.run(time.Second)
		d.in.Newest = Target{Revision: 3, Digest: d.in.Assignment.Stable.Digest}
		d.run(200 * time.Millisecond)
		d.want(3, 3, 3, 3)
		if d.in.Rollout.State != Completed {
			t.Errorf("the rollout is %+v", d.in.Rollout)
		}
	})
	t.Run("a rollout that no node was let into gives way at once", func(t *testing.T) {
		d := driven(t, 1, Policy{})
		d.in.Nodes[0].Online = false
		d.revise()
		d.run(time.Second)
		d.revise()
		d.run(time.Second)
		if got := d.in.Rollout; got.Candidate.Revision != 3 || got.State != Waiting {
			t.Errorf("the rollout is %+v", got)
		}
	})
	t.Run("a rollout that has come nowhere for a while gives way, and what it did not prove goes with it", func(t *testing.T) {
		d := driven(t, 4, soaks)
		d.hangs[0], d.hangs[1] = true, true
		d.revise()
		d.run(2 * time.Second)
		d.revise()
		d.run(stuckAfter - 3*time.Second)
		if got := d.in.Rollout.Candidate.Revision; got != 2 {
			t.Errorf("revision %d was under way after %s", got, stuckAfter-time.Second)
		}
		d.run(2 * time.Second)
		if got := d.in.Rollout.Candidate.Revision; got != 3 || len(d.in.Assignment.Held) > 0 {
			t.Errorf("revision %d is under way, beside %+v", got, d.in.Assignment.Held)
		}
	})
	t.Run("a rollout that is about to halt gives way", func(t *testing.T) {
		d := driven(t, 4, soaks)
		d.fails[1] = true
		d.revise()
		d.run(2 * time.Second)
		d.revise()
		d.run(200 * time.Millisecond)
		if got := d.in.Rollout.Candidate.Revision; got != 3 {
			t.Errorf("revision %d is under way", got)
		}
	})
	t.Run("a refusal comes first", func(t *testing.T) {
		d := driven(t, 4, soaks)
		d.bad = d.revise().Digest
		d.hangs[0] = true
		d.in = apply(d.in, Plan(d.now, d.in))
		d.revise()
		d.run(time.Second)
		if len(d.ended) != 1 || d.ended[0].State != Halted || d.in.Rollout.Candidate.Revision != 3 {
			t.Errorf("ended %+v, under way %+v", d.ended, d.in.Rollout)
		}
	})
}

// Who did not serve one revision is left out of the next ones until it serves, also when one in between is refused long before it comes to
// that node.
func TestASilentNodeHoldsUpOneRollout(t *testing.T) {
	d := driven(t, 5, Policy{})
	d.hangs[4] = true
	d.revise()
	d.run(11 * time.Minute)
	d.want(2, 2, 2, 2, 1)
	d.refuse()
	d.revise()
	d.run(time.Second)
	d.want(4, 4, 4, 4, 1)
	if r := d.in.Rollout; r.State != Completed || r.Progress.LeftOut != 1 || len(r.Absentees) != 1 {
		t.Errorf("the rollout is %+v", r)
	}
	d.hangs[4] = false
	d.run(time.Second)
	d.want(4, 4, 4, 4, 4)
	d.revise() // it is left out once more, serves all the same, and counts from then on
	d.run(time.Second)
	if r := d.in.Rollout; r.State != Completed || r.Progress.LeftOut != 0 || len(r.Unserved) != 0 {
		t.Errorf("the rollout is %+v", r)
	}
	d.hangs[4] = true
	d.revise()
	d.run(time.Minute)
	if r := d.in.Rollout; r.State != Progressing {
		t.Errorf("the rollout is %+v", r)
	}
}

// An unmanaged gateway that would lose something is left alone, and nobody waits for it, in whichever wave it is.
func TestUnmanagedNodesHoldUpNothing(t *testing.T) {
	for i := range 3 {
		d := driven(t, 3, Policy{Waves: []Wave{{Nodes: 1}, {Percent: 100}}})
		d.keeps[i] = true
		d.revise()
		d.run(time.Second)
		if r := d.in.Rollout; r.State != Completed || r.Progress.LeftOut != 1 || r.Progress.Serving != 2 || len(r.Absentees) != 1 ||
			r.Absentees[0].Reason != Unmanaged {
			t.Errorf("node %d: the rollout is %+v", i, r)
		}
		d.keeps[i] = false // the next revision takes nothing from it
		d.hangs[i] = true
		d.revise()
		d.run(time.Second)
		if r := d.in.Rollout; r.State != Progressing {
			t.Errorf("node %d is not waited for: %+v", i, r)
		}
		d.hangs[i] = false
		d.run(time.Second)
		d.want(3, 3, 3)
	}
	d := driven(t, 2, Policy{})
	d.keeps[0], d.keeps[1] = true, true
	d.revise()
	d.run(time.Minute)
	if r := d.in.Rollout; r.State != Halted {
		t.Errorf("with nobody left the rollout is %+v", r)
	}
}

// Nodes that the registry has lost, by a deletion in its ledger or because it was cut off from them, keep their streams and what they
// serve.
func TestNodesThatNobodyKnowsAnyMoreAreNotSentBack(t *testing.T) {
	for name, lost := range map[string][]Node{"their records are gone": nil, "they are offline": nodes(0, 3)} {
		t.Run(name, func(t *testing.T) {
			d := driven(t, 3, Policy{Waves: []Wave{{Nodes: 1, Soak: time.Minute}, {Percent: 100}}})
			all := d.in.Nodes
			d.revise()
			d.run(time.Second)
			d.want(2, 1, 1)
			d.in.Nodes = lost
			served := slices.Clone(d.runs)
			for range 3 {
				d.revise()
				d.run(time.Second)
				for i, n := range all {
					if target := d.in.Assignment.Target(n.Position); target.Revision < served[i].Revision {
						t.Errorf("node %d served revision %d, and is to run %d", i, served[i].Revision, target.Revision)
					}
				}
			}
			d.in.Nodes = all
			d.run(10 * time.Minute)
			d.want(5, 5, 5)
		})
	}
}

// The same when the last that was heard is that most of them could not be told.
func TestNodesThatNobodyKnowsAndThatFailAreNotSentBack(t *testing.T) {
	in := open(3)
	in.Assignment.Threshold = fleet.MaxPosition
	in.Rollout.Wave, in.Rollout.State = 2, Progressing
	in.Tallies = []Tally{{Decision: in.Assignment.Decision, Connected: 3, Serving: 1, Failed: 2,
		Nodes: Nodes{Serving: Positions{place(1)}, Failed: Positions{place(2), place(3)}}}}
	in.Newest.Revision++
	in.Newest.Digest += "newer"
	in.Nodes = nil
	d := Plan(start, in)
	if d.Assignment == nil || d.Assignment.Target(place(1)).Revision != in.Assignment.Candidate.Revision {
		t.Errorf("the node that serves %v is to run another: %+v", in.Assignment.Candidate, d.Assignment)
	}
}

func TestMaxFailedCoversNodesThatNeverAnswer(t *testing.T) {
	d := driven(t, 5, Policy{MaxFailedPercent: 20})
	d.hangs[4] = true
	d.revise()
	d.run(failureGrace)
	if d.in.Rollout.State != Progressing {
		t.Errorf("after %s the rollout is %+v", failureGrace, d.in.Rollout)
	}
	d.run(time.Second)
	if d.in.Rollout.State != Completed {
		t.Errorf("after a second more it is %+v", d.in.Rollout)
	}
	d.want(2, 2, 2, 2, 1)
	d.hangs[3] = true // two of five are more than the policy allows
	d.revise()
	d.run(time.Minute)
	if d.in.Rollout.State != Progressing {
		t.Errorf("the next rollout is %+v", d.in.Rollout)
	}
}

// A leader whose clock is off decides neither sooner nor otherwise, for what it measures is its own.
func TestForeignClocks(t *testing.T) {
	for _, ahead := range []time.Duration{0, 11 * time.Minute, 31 * time.Minute, -31 * time.Minute} {
		t.Run(fmt.Sprint("the next leader is ahead by ", ahead), func(t *testing.T) {
			d := driven(t, 2, Policy{Waves: []Wave{{Nodes: 1, Soak: 30 * time.Minute}, {Percent: 100}}})
			next := func() { d.clock += ahead; d.watch = Stopwatch{} }
			d.hangs[0] = true
			d.revise()
			d.run(time.Minute)
			next()
			d.run(9 * time.Minute)
			if d.in.Rollout.State != Progressing {
				t.Fatalf("within the deadline of a wave it is %+v", d.in.Rollout)
			}
			d.hangs[0] = false
			d.run(time.Minute)
			next()
			d.run(29 * time.Minute)
			d.want(2, 1)
			if d.in.Rollout.State != Soaking {
				t.Fatalf("within the soak it is %+v", d.in.Rollout)
			}
			d.run(2 * time.Minute)
			d.want(2, 2)
			d.hangs[0] = true
			d.revise()
			d.run(9 * time.Minute)
			next()
			d.run(11 * time.Minute)
			if d.in.Rollout.State != Halted {
				t.Fatalf("after the deadline, by the new leader's measure, it is %+v", d.in.Rollout)
			}
		})
	}
}
