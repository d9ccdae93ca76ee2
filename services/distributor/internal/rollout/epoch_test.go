package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// following has every node of a group say that it follows a decision.
func following(in Input, epoch fleet.Epoch, decision fleet.Decision) Input {
	all := append([]Node(nil), in.Nodes...)
	for i := range all {
		all[i].Name, all[i].Followed = fleet.NodeID(rune('a'+i)), fleet.Stamp{Epoch: epoch, Decision: decision}
	}
	in.Nodes = all
	return in
}

func TestWhoIsAhead(t *testing.T) {
	restored := &Assignment{Decision: 113, Term: 57, TermID: 5, Ends: []fleet.End{{Term: 40, ID: 4, Decision: 43}}}
	for _, tt := range []struct {
		name  string
		epoch fleet.Epoch
		has   *Assignment
		node  Node
		ahead bool
	}{
		{name: "who follows the newest decision is not", has: &Assignment{Decision: 5},
			node: Node{Online: true, Followed: fleet.Stamp{Decision: 5}}},
		{name: "who follows an older one is not", has: &Assignment{Decision: 5}, node: Node{Online: true, Followed: fleet.Stamp{Decision: 4}}},
		{name: "who follows nothing is not", node: Node{Online: true}},
		{name: "who follows a later one is", has: &Assignment{Decision: 5}, node: Node{Online: true, Followed: fleet.Stamp{Decision: 6}},
			ahead: true},
		{name: "who follows anything, of a ledger that has nothing, is", node: Node{Online: true, Followed: fleet.Stamp{Decision: 1}},
			ahead: true},
		{name: "who is offline holds nothing", has: &Assignment{Decision: 5}, node: Node{Followed: fleet.Stamp{Decision: 6}}},
		{name: "a later epoch is ahead whatever its decision", epoch: 1, has: &Assignment{Epoch: 1, Decision: 5},
			node: Node{Online: true, Followed: fleet.Stamp{Epoch: 2, Decision: 1}}, ahead: true},
		{name: "an older epoch is not, whatever its decision", epoch: 1, has: &Assignment{Epoch: 1, Decision: 5},
			node: Node{Online: true, Followed: fleet.Stamp{Decision: 99}}},
		{name: "nor before the assignment is written anew", epoch: 1, has: &Assignment{Decision: 5},
			node: Node{Online: true, Followed: fleet.Stamp{Decision: 99}}},
		{name: "who follows a decision that its term did not make before the ledger went back is, whatever the numbers", has: restored,
			node: Node{Online: true, Followed: fleet.Stamp{Decision: 109, Term: 40, TermID: 4}}, ahead: true},
		{name: "who follows one that it made is not", has: restored,
			node: Node{Online: true, Followed: fleet.Stamp{Decision: 43, Term: 40, TermID: 4}}},
		{name: "what no ledger can have decided is not believed", node: Node{Online: true, Followed: fleet.Stamp{Epoch: fleet.MaxEpoch + 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Epoch: tt.epoch, Assignment: tt.has, Nodes: []Node{tt.node}}
			if got := len(in.ahead()) > 0; got != tt.ahead {
				t.Errorf("ahead: got %t", got)
			}
		})
	}
}

// However far its numbers grow, a ledger that went back decides nothing for nodes that are ahead of it: they would follow it back.
func TestNothingIsDecidedWhileNodesAreAhead(t *testing.T) {
	t.Run("of a rollout that would begin", func(t *testing.T) {
		in := following(Input{Group: "g", Newest: two, Nodes: nodes(5, 0), Assignment: &Assignment{Stable: one, Decision: 5}}, 0, 500)
		d := Plan(start, in)
		if d.Assignment != nil || d.Rollout == nil || d.Rollout.State != Waiting || d.Rollout.Candidate != two {
			t.Fatalf("decided %+v", d)
		}
		for _, says := range []string{"a, b, c and 2 more", "decision 500 of epoch 0", "decision 5 of epoch 0", "silverback recover"} {
			if !strings.Contains(d.Rollout.Reason, says) {
				t.Errorf("the reason does not say %q: %s", says, d.Rollout.Reason)
			}
		}
		in = apply(in, d)
		if d := Plan(start.Add(time.Hour), in); !d.IsZero() {
			t.Errorf("an hour later it decided %+v", d)
		}
		// A newer revision takes its place, and waits too.
		in.Newest = Target{Revision: 3, Digest: "sha256:three"}
		d = Plan(start.Add(time.Hour), in)
		if d.Assignment != nil || d.Ended == nil || d.Ended.State != Superseded || d.Rollout.State != Waiting || d.Rollout.Ahead != 5 {
			t.Errorf("of a newer revision it decided %+v", d)
		}
	})
	t.Run("of one under way, past its deadline and the grace of failures", func(t *testing.T) {
		in := following(tallied(open(3), Tally{Connected: 1, Failed: 1}), 0, 500)
		d := Plan(start.Add(time.Hour), in)
		if d.Assignment != nil || d.Rollout == nil || d.Rollout.State != Waiting || d.Rollout.Ahead != 3 {
			t.Errorf("decided %+v", d)
		}
	})
	t.Run("nor is it superseded meanwhile", func(t *testing.T) {
		in := following(tallied(open(3), Tally{Connected: 1}), 0, 500)
		in.Newest = Target{Revision: 3, Digest: "sha256:three"}
		if d := Plan(start, in); d.Ended != nil || d.Assignment != nil || d.Rollout == nil || d.Rollout.Candidate != two || d.Rollout.Ahead != 3 {
			t.Errorf("decided %+v", d)
		}
	})
	t.Run("but a group that has nothing new is left alone", func(t *testing.T) {
		if d := Plan(start, following(Input{Newest: one, Nodes: nodes(3, 0), Assignment: &Assignment{Stable: one, Decision: 5}}, 0,
			500)); !d.IsZero() {
			t.Errorf("decided %+v", d)
		}
	})
}

func TestTheLedgerIsNotWrittenForEveryNodeThatTurnsOutAhead(t *testing.T) {
	in := following(Input{Group: "g", Newest: two, Nodes: nodes(1, 0), Assignment: &Assignment{Stable: one, Decision: 5}}, 0, 500)
	in = apply(in, Plan(start, in))
	in.Nodes = nodes(9, 0)
	in = following(in, 0, 500)
	if d := Plan(start.Add(time.Second), in); !d.IsZero() || d.Wait != aheadInterval-time.Second {
		t.Errorf("a second later it decided %+v", d)
	}
	if d := Plan(start.Add(aheadInterval), in); d.Rollout == nil || d.Rollout.Ahead != 9 {
		t.Errorf("after the interval it decided %+v", d)
	}
	// A leader with another clock wrote it in the future: nobody waits for that.
	if d := Plan(start.Add(-time.Hour), in); d.Rollout == nil || d.Rollout.Ahead != 9 {
		t.Errorf("of a time to come it decided %+v", d)
	}
}

func TestARecoveryHasTheLedgerFollowedAgain(t *testing.T) {
	later := start.Add(time.Hour)
	t.Run("the assignment is written anew, the same", func(t *testing.T) {
		in := following(Input{Epoch: 1, Newest: one, Nodes: nodes(3, 0), Assignment: &Assignment{Stable: one, Decision: 5}}, 0, 500)
		d := Plan(start, in)
		if d.Assignment == nil || d.Assignment.Stable != one || !d.Assignment.Candidate.IsZero() || d.Rollout != nil {
			t.Fatalf("decided %+v", d)
		}
		in.Assignment = &Assignment{Stable: one, Epoch: 1, Decision: 6}
		if d := Plan(start, in); !d.IsZero() {
			t.Errorf("and again %+v", d)
		}
	})
	t.Run("a rollout that could not begin begins, under its id, and takes nobody back meanwhile", func(t *testing.T) {
		in := following(Input{Group: "g", Newest: two, Nodes: nodes(3, 0), Assignment: &Assignment{Stable: one, Decision: 5}}, 0, 500)
		in = apply(in, Plan(start, in))
		waited := in.Rollout.ID
		in.Epoch = 1
		d := Plan(later, in)
		if d.Rollout == nil || d.Rollout.ID != waited || d.Rollout.State != Progressing || d.Rollout.WaveTime != later ||
			d.Rollout.Reason != "" || d.Rollout.Ahead != 0 {
			t.Fatalf("the rollout is %+v", d.Rollout)
		}
		a := d.Assignment
		if a == nil || a.Rollout != waited || !a.Includes(place(1)) || a.Target(place(1)) != two || !a.Target(place(2)).IsZero() ||
			d.Rollout.Stable != one {
			t.Errorf("the assignment is %+v", a)
		}
	})
	t.Run("a rollout under way has its time again", func(t *testing.T) {
		in := following(tallied(open(3), Tally{Connected: 1}), 0, 500)
		in = apply(in, Plan(start.Add(time.Minute), in))
		in.Epoch = 1
		d := Plan(later, in)
		if d.Rollout == nil || d.Rollout.State != Progressing || d.Rollout.WaveTime != later || d.Rollout.Wave != 1 || d.Rollout.Reason != "" {
			t.Errorf("the rollout is %+v", d.Rollout)
		}
		if a := d.Assignment; a == nil || a.Candidate != two || a.Threshold != in.Assignment.Threshold || !a.Stable.IsZero() {
			t.Errorf("the assignment is %+v", d.Assignment)
		}
	})
	t.Run("also when the nodes that were ahead are gone, and nobody recovered", func(t *testing.T) {
		in := following(tallied(open(3), Tally{Connected: 1}), 0, 500)
		in = apply(in, Plan(start.Add(time.Minute), in))
		in.Nodes = nodes(0, 3)
		if d := Plan(later, in); d.Rollout == nil || d.Rollout.Reason != "" || d.Rollout.Ahead != 0 || d.Assignment != nil {
			t.Errorf("decided %+v", d)
		}
	})
}

// A recovery leaves the stable revision out of the assignment. A rollout that began before it can still be taken back.
func TestARolloutIsTakenBackAfterARecovery(t *testing.T) {
	d := driven(t, 4, waved())
	d.revise()
	d.run(time.Second)
	d.in.Epoch++
	d.run(time.Second)
	if a := *d.in.Assignment; !a.Stable.IsZero() || !a.Includes(place(1)) {
		t.Fatalf("the assignment is %+v", a)
	}
	d.order(Abort)
	d.run(time.Second)
	d.state(RolledBack)
	d.want(1, 1, 1, 1)
	if a := *d.in.Assignment; !a.Target(place(2)).IsZero() {
		t.Errorf("nodes that the candidate had not reached are to run %+v", a.Target(place(2)))
	}
}
