package rollout

import (
	"math/rand/v2"
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
		{name: "a first revision begins with one node and no stable", in: Input{Newest: one, Nodes: nodes(3, 0)}, wantState: Progressing, wantThreshold: 1001},
		{name: "the first online node is the first wave", in: Input{Newest: one, Nodes: []Node{{Position: 1}, {Position: 50, Online: true}}}, wantState: Progressing, wantThreshold: 51},
		{
			name: "the content of stable goes to everybody at once, for it moves nobody", wantState: Progressing, wantThreshold: fleet.MaxPosition, wantStable: one,
			in: Input{Newest: Target{Revision: 2, Digest: one.Digest}, Nodes: nodes(3, 0), Assignment: &Assignment{Stable: one}},
		},
		{
			name: "the content of stable, while nodes run a candidate, is a rollout like any other", wantState: Progressing, wantThreshold: 1001, wantStable: one,
			in: Input{
				Newest: Target{Revision: 3, Digest: one.Digest}, Nodes: nodes(3, 0), Assignment: &Assignment{Stable: one, Candidate: two},
				Rollout: &Rollout{ID: "00000001", Candidate: two, State: Progressing},
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
	old := func(in Input, ago time.Duration) Input {
		r := *in.Rollout
		r.WaveTime = start.Add(-ago)
		in.Rollout = &r
		return in
	}
	policy := func(in Input, p Policy) Input {
		r := *in.Rollout
		r.Policy = p
		in.Rollout = &r
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
		{name: "the first node serves: all follow", in: tallied(open(3), Tally{Connected: 1, Serving: 1}), wantState: Progressing, wantThreshold: fleet.MaxPosition, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "a tally of an older decision settles nothing", in: func() Input {
			in := tallied(open(3), Tally{Connected: 1, Serving: 1})
			in.Tallies[0].Decision--
			return in
		}(), wantWait: 10 * time.Minute},
		{name: "an online node without a stream holds the wave", in: tallied(second(open(3)), Tally{Connected: 2, Serving: 2}), wantWait: 10 * time.Minute},
		{name: "a stream that the registry does not know of holds the wave", in: tallied(second(open(3)), Tally{Connected: 4, Serving: 3}), wantWait: 10 * time.Minute},
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
		{name: "one refusal in wave one halts and keeps stable", in: tallied(open(3), Tally{Connected: 1, Refused: 1, Refusals: []Refusal{{Node: "n"}}}), wantState: Halted, wantStable: 1},
		{name: "one refusal in the last wave halts and keeps stable", in: tallied(second(open(3)), Tally{Connected: 3, Serving: 2, Refused: 1}), wantState: Halted, wantStable: 1},
		{name: "the deadline halts", in: old(open(3), 10*time.Minute), wantState: Halted, wantStable: 1},
		{name: "a policy's own deadline halts", in: old(policy(open(3), Policy{Deadline: time.Second}), time.Second), wantState: Halted, wantStable: 1},
		{name: "a failure is waited out first", in: tallied(open(3), Tally{Connected: 1, Failed: 1}), wantState: Progressing, wantWait: failureGrace},
		{name: "a failure waits for the others", in: tallied(second(open(3)), Tally{Connected: 3, Failed: 1, Serving: 1}), wantWait: 10 * time.Minute},
		{name: "a failure that lasts halts", in: func() Input {
			in := tallied(open(3), Tally{Connected: 1, Failed: 1})
			r := *in.Rollout
			r.FailTime = start.Add(-failureGrace)
			in.Rollout = &r
			return in
		}(), wantState: Halted, wantStable: 1},
		{name: "tolerated failures do not hold the wave", in: tallied(second(policy(open(10), Policy{MaxFailedPercent: 10})), Tally{Connected: 10, Failed: 1, Serving: 9}), wantState: Completed, wantStable: 2},
		{name: "a wave is watched before the next", in: soaking(open(3)), wantState: Soaking, wantWait: time.Minute},
		{name: "a refusal during the soak halts", in: func() Input {
			in := soaking(open(3))
			return tallied(in, Tally{Connected: 1, Refused: 1})
		}(), wantState: Halted, wantStable: 1},
		{name: "nobody knows any more who serves, long after the wave began: it is waited for, and watched anew", in: func() Input {
			in := old(soaking(open(3)), time.Hour)
			in.Rollout.State, in.Rollout.SettleTime = Soaking, start.Add(-time.Second)
			in.Tallies[0].Nodes = Nodes{}
			return in
		}(), wantState: Progressing, wantWait: 10 * time.Minute},
		{name: "the soak is over: all follow", in: func() Input {
			in := soaking(open(3))
			in.Rollout.State, in.Rollout.SettleTime = Soaking, start.Add(-time.Minute)
			return in
		}(), wantState: Progressing, wantThreshold: fleet.MaxPosition, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "from 20 nodes on a quarter loads at once", in: tallied(open(40), Tally{Connected: 1, Serving: 1}), wantState: Progressing, wantThreshold: 11001, wantStable: 1, wantWait: 10 * time.Minute},
		{name: "a newer revision supersedes with the old stable", in: func() Input {
			in := second(open(3))
			in.Newest = Target{Revision: 3, Digest: "sha256:three"}
			return in
		}(), wantState: Progressing, wantThreshold: 1001, wantStable: 1, wantWait: 10 * time.Minute},
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
	in := open(3)
	in.Newest = Target{Revision: 3, Digest: "sha256:three"}
	d := Plan(start, in)
	if d.Ended == nil || d.Ended.State != Superseded || d.Ended.ID == d.Rollout.ID || d.Rollout.ID < d.Ended.ID {
		t.Errorf("ended %+v, began %+v", d.Ended, d.Rollout)
	}
}

// replicas is how many there are in a simulation; a node whose replica is beyond them holds no stream.
const replicas = 3

// A simulation is a group whose nodes come, go, load, fail, refuse and change replicas, and a leader that asks Plan after each step.
type simulation struct {
	said [replicas]said
	rng  *rand.Rand
	in   Input
	node []simulated
	now  time.Time
}

// said is the last word of a replica, true or not any more.
type said struct {
	rollout fleet.RolloutID
	tally   Tally
}

type simulated struct {
	at      int // the replica that holds its stream
	online  bool
	runs    fleet.Digest
	refused map[fleet.Digest]bool
}

func (s *simulation) step() {
	s.now = s.now.Add(time.Duration(s.rng.IntN(2000)) * time.Millisecond)
	for range 1 + s.rng.IntN(6) {
		n := s.rng.IntN(len(s.node))
		switch x := s.rng.IntN(100); {
		case x < 5:
			s.node[n].online = !s.node[n].online
		case x < 7:
			s.in.Newest = Target{Revision: s.in.Newest.Revision + 1, Digest: fleet.Digest(rune('a' + s.rng.IntN(6)))}
		case x < 8:
			s.act(n, true)
		case x < 14:
			s.node[n].at = s.rng.IntN(replicas + 1)
		default:
			s.act(n, false)
		}
	}
	s.count()
}

func (s *simulation) act(n int, refuse bool) {
	node := &s.node[n]
	if !node.online || node.at == replicas || s.in.Assignment == nil {
		return
	}
	target := s.in.Assignment.Target(s.in.Nodes[n].Position)
	switch {
	case target.IsZero() || node.refused[target.Digest]:
	case refuse && node.runs != target.Digest:
		node.refused[target.Digest] = true
	default:
		node.runs = target.Digest
	}
}

// count lets each replica tally its sessions, or not: what it said before then stands, as that of a killed one does.
func (s *simulation) count() {
	s.in.Tallies = nil
	for i, n := range s.node {
		s.in.Nodes[i].Online = n.online
	}
	if s.in.Assignment == nil || s.in.Assignment.Rollout == "" {
		return
	}
	for replica := range replicas {
		if was := s.said[replica]; was.rollout != s.in.Assignment.Rollout || s.rng.IntN(4) > 0 {
			s.said[replica] = said{s.in.Assignment.Rollout, s.tally(replica)}
		}
		s.in.Tallies = append(s.in.Tallies, s.said[replica].tally)
	}
}

func (s *simulation) tally(replica int) Tally {
	t := Tally{Decision: s.in.Assignment.Decision}
	for i, n := range s.node {
		position := s.in.Nodes[i].Position
		if !n.online || n.at != replica || !s.in.Assignment.Includes(position) {
			continue
		}
		t.Connected++
		switch d := s.in.Assignment.Candidate.Digest; {
		case n.refused[d]:
			t.Refused++
			t.Nodes.Refused = append(t.Nodes.Refused, position)
		case n.runs == d:
			t.Serving++
			t.Nodes.Serving = append(t.Nodes.Serving, position)
		default:
			t.Loading++
			t.Nodes.Loading = append(t.Nodes.Loading, position)
		}
	}
	return t
}

func TestProperties(t *testing.T) {
	for seed := range uint64(300) {
		s := &simulation{rng: rand.New(rand.NewPCG(seed, 1)), now: start}
		size := 1 + s.rng.IntN(60)
		s.in = Input{Group: "g", Nodes: nodes(size, 0), Policy: Policy{MaxLoading: s.rng.IntN(60)}}
		s.node = make([]simulated, size)
		for i := range s.node {
			s.node[i] = simulated{online: true, refused: map[fleet.Digest]bool{}}
		}
		completed := 0
		for range 400 {
			s.step()
			before := s.in
			d := Plan(s.now, s.in)
			s.in = apply(s.in, d)
			if d.Rollout != nil && d.Rollout.State == Completed {
				completed++
			}
			s.check(t, seed, before, d)
			s.count()
		}
		if completed == 0 && size < 10 {
			t.Errorf("seed %d: nothing ever completed", seed)
		}
	}
}

func (s *simulation) check(t *testing.T, seed uint64, before Input, d Decision) {
	t.Helper()
	if d.Assignment == nil {
		return
	}
	if before.Assignment != nil && d.Assignment.Rollout != "" && before.Assignment.Rollout == d.Assignment.Rollout && d.Assignment.Threshold < before.Assignment.Threshold {
		t.Fatalf("seed %d: the threshold fell from %d to %d", seed, before.Assignment.Threshold, d.Assignment.Threshold)
	}
	if d.Rollout != nil && d.Rollout.State == Completed {
		for i, n := range s.node {
			if n.online && n.runs != d.Rollout.Candidate.Digest {
				t.Fatalf("seed %d: completed, and node %d of %d does not serve the candidate", seed, i, len(s.node))
			}
		}
	}
	if d.Assignment.Rollout == "" {
		return
	}
	// What was raised just now must not bring more nodes into flight than may load at once. Nodes that came back on their own, or
	// after the threshold was set, are not the plan's doing.
	raised := before.Assignment == nil || d.Assignment.Threshold > before.Assignment.Threshold || before.Assignment.Rollout != d.Assignment.Rollout
	inFlight, online := 0, 0
	for i, n := range s.node {
		if !n.online {
			continue
		}
		online++
		if d.Assignment.Includes(s.in.Nodes[i].Position) && n.runs != d.Assignment.Candidate.Digest {
			inFlight++
		}
	}
	if limit := s.in.Rollout.Policy.maxLoading(online); raised && inFlight > limit {
		t.Fatalf("seed %d: %d nodes in flight, %d may", seed, inFlight, limit)
	}
}

// A revision that comes while another is under way must not send anybody back: a node's revision falls only when somebody says so.
func TestSupersededCandidateIsHeldUntilTheNextWave(t *testing.T) {
	in := open(3)
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Serving: 1}))) // wave two: all three load revision 2
	in.Newest = Target{Revision: 3, Digest: "sha256:three"}
	in = apply(in, Plan(start, in))
	want := []fleet.Revision{3, 2, 2}
	for i, n := range in.Nodes {
		if got := in.Assignment.Target(n.Position).Revision; got != want[i] {
			t.Errorf("node %d is to run revision %d, want %d", i+1, got, want[i])
		}
	}
	in.Newest = Target{Revision: 4, Digest: "sha256:four"}
	in = apply(in, Plan(start, in))
	want = []fleet.Revision{4, 2, 2}
	for i, n := range in.Nodes {
		if got := in.Assignment.Target(n.Position).Revision; got != want[i] {
			t.Errorf("after one more, node %d is to run revision %d, want %d", i+1, got, want[i])
		}
	}
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Refused: 1, Refusals: []Refusal{{Node: "n1"}}})))
	for i, n := range in.Nodes {
		if got := in.Assignment.Target(n.Position); !got.Same(one) {
			t.Errorf("after the halt, node %d is to run revision %d, want stable", i+1, got.Revision)
		}
	}
}
