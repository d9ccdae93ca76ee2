package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// at names nodes by their numbers.
func at(numbers ...int) (all Positions) {
	for _, n := range numbers {
		all = append(all, place(n))
	}
	return all
}

// counted is a tally as a replica writes it.
func counted(n Nodes) Tally {
	return Tally{
		Nodes: n, Serving: len(n.Serving), Loading: len(n.Loading), Refused: len(n.Refused), Failed: len(n.Failed),
		Connected: len(n.Serving) + len(n.Loading) + len(n.Refused) + len(n.Failed),
	}
}

// A node counts once, whoever speaks of it and however many do.
func TestCount(t *testing.T) {
	all := counted(Nodes{Serving: at(1, 2, 3)})
	old := func(t Tally) Tally { t.Nodes = Nodes{}; return t } // as a replica of an older version writes it
	offline := func(numbers ...int) []Node {
		all := nodes(3, 0)
		for _, n := range numbers {
			all[n-1].Online = false
		}
		return all
	}
	for _, tt := range []struct {
		name      string
		nodes     []Node // nil: three are online
		tallies   []Tally
		want      Progress
		wantState State // of the last wave; empty: it goes on
	}{
		{name: "each node is at one replica", tallies: []Tally{counted(Nodes{Serving: at(1, 3)}), counted(Nodes{Serving: at(2)})},
			want: Progress{Online: 3, InWave: 3, Serving: 3}, wantState: Completed},
		{name: "nobody tallies: all load", want: Progress{Online: 3, InWave: 3, Loading: 3}},
		{name: "a killed replica's tally beside that of the replica to which its agents went", tallies: []Tally{all, all},
			want: Progress{Online: 3, InWave: 3, Serving: 3}, wantState: Completed},
		{name: "one node missing and one counted twice", tallies: []Tally{counted(Nodes{Serving: at(1, 2)}), counted(Nodes{Serving: at(2)})},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Loading: 1}},
		{name: "one node missing, and a stream of a node that the registry has not heard of",
			tallies: []Tally{counted(Nodes{Serving: at(1, 2, 9)})}, want: Progress{Online: 4, InWave: 4, Serving: 3, Loading: 1}},
		{name: "it serves for a killed replica, and loads where it is now", tallies: []Tally{all, counted(Nodes{Loading: at(2)})},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Loading: 1}},
		{name: "it serves where it is now, and loads for a killed replica", tallies: []Tally{counted(Nodes{Serving: at(1), Loading: at(2, 3)}),
			counted(Nodes{Serving: at(2, 3)})}, want: Progress{Online: 3, InWave: 3, Serving: 1, Loading: 2}},
		{name: "it failed for one replica and serves at another: waited for until they agree",
			tallies: []Tally{all, counted(Nodes{Failed: at(1)})}, want: Progress{Online: 3, InWave: 3, Serving: 2, Loading: 1}},
		{name: "it failed for both", tallies: []Tally{counted(Nodes{Serving: at(2, 3), Failed: at(1)}), counted(Nodes{Failed: at(1)})},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Failed: 1}, wantState: Progressing},
		{name: "a refusal is a refusal, whoever heard it", tallies: []Tally{all, counted(Nodes{Refused: at(1)})},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Refused: 1}, wantState: Halted},
		{name: "one refusal, heard by two", tallies: []Tally{counted(Nodes{Serving: at(2, 3), Refused: at(1)}), counted(Nodes{Refused: at(1)})},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Refused: 1}, wantState: Halted},
		{name: "offline, with a stream that serves", nodes: offline(3), tallies: []Tally{all},
			want: Progress{Online: 2, InWave: 2, Serving: 2, Offline: 1}, wantState: Completed},
		{name: "offline, with a stream that loads", nodes: offline(3), tallies: []Tally{counted(Nodes{Serving: at(1, 2), Loading: at(3)})},
			want: Progress{Online: 2, InWave: 2, Serving: 2, Offline: 1}, wantState: Completed},
		{name: "offline, with a stream that failed", nodes: offline(3), tallies: []Tally{counted(Nodes{Serving: at(1, 2), Failed: at(3)})},
			want: Progress{Online: 2, InWave: 2, Serving: 2, Offline: 1}, wantState: Completed},
		{name: "offline, with a stream that does not make up for an online node without one", nodes: offline(3),
			tallies: []Tally{counted(Nodes{Serving: at(1, 3)})}, want: Progress{Online: 2, InWave: 2, Serving: 1, Loading: 1, Offline: 1}},
		{name: "offline, and it refused", nodes: offline(3), tallies: []Tally{counted(Nodes{Serving: at(1, 2), Refused: at(3)})},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Refused: 1}, wantState: Halted},
		{name: "a stream of a node that the registry has not heard of, which serves", tallies: []Tally{counted(Nodes{Serving: at(1, 2, 3, 9)})},
			want: Progress{Online: 4, InWave: 4, Serving: 4}, wantState: Completed},
		{name: "the same at two replicas", tallies: []Tally{counted(Nodes{Serving: at(1, 2, 3, 9)}), counted(Nodes{Serving: at(9)})},
			want: Progress{Online: 4, InWave: 4, Serving: 4}, wantState: Completed},
		{name: "a stream of a node that the registry has not heard of, which loads",
			tallies: []Tally{counted(Nodes{Serving: at(1, 2, 3), Loading: at(9)})}, want: Progress{Online: 4, InWave: 4, Serving: 3, Loading: 1}},
		{name: "an older version says that all serve, and not which", tallies: []Tally{old(all)},
			want: Progress{Online: 3, InWave: 3, Loading: 3}},
		{name: "an older version beside a newer", tallies: []Tally{counted(Nodes{Serving: at(1, 2)}), old(counted(Nodes{Serving: at(3)}))},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Loading: 1}},
		{name: "an older version counted twice what a newer one names: no wave settles on that",
			tallies: []Tally{all, old(counted(Nodes{Serving: at(3)}))}, want: Progress{Online: 3, InWave: 3, Serving: 3}},
		{name: "an older version without sessions in the wave has nothing to name", tallies: []Tally{all, {}},
			want: Progress{Online: 3, InWave: 3, Serving: 3}, wantState: Completed},
		{name: "an older version heard a refusal", tallies: []Tally{old(Tally{Connected: 1, Refused: 1, Refusals: []Refusal{{Node: "n"}}})},
			want: Progress{Online: 4, InWave: 4, Loading: 3, Refused: 1}, wantState: Halted},
		{name: "an older version heard more refusals than it tells", tallies: []Tally{old(Tally{Connected: 2, Refused: 2})},
			want: Progress{Online: 3, InWave: 3, Loading: 3, Refused: 2}, wantState: Halted},
		{name: "a tally that does not name all it counted", tallies: []Tally{all, {Connected: 2, Serving: 2, Nodes: Nodes{Serving: at(1)}}},
			want: Progress{Online: 3, InWave: 3, Serving: 3}},
		{name: "two nodes at one place: they serve when both do", tallies: []Tally{counted(Nodes{Serving: at(1, 1, 2, 3)})},
			want: Progress{Online: 3, InWave: 3, Serving: 3}, wantState: Completed},
		{name: "two nodes at one place, and one of them loads", tallies: []Tally{counted(Nodes{Serving: at(1, 2, 3), Loading: at(1)})},
			want: Progress{Online: 3, InWave: 3, Serving: 2, Loading: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Group: "g", Newest: two, Nodes: tt.nodes, Tallies: tt.tallies,
				Assignment: &Assignment{Stable: one, Candidate: two, Rollout: "00000001", Reach: Reach{Threshold: fleet.MaxPosition}, Decision: 7}}
			in.Rollout = &Rollout{ID: "00000001", Stable: one, Candidate: two, State: Progressing, Wave: 2, WaveTime: start}
			if in.Nodes == nil {
				in.Nodes = nodes(3, 0)
			}
			for i := range in.Tallies {
				in.Tallies[i].Decision = in.Assignment.Decision
			}
			if got := Count(in); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			slices.Reverse(in.Tallies)
			if got := Count(in); got != tt.want {
				t.Errorf("in another order: got %+v, want %+v", got, tt.want)
			}
			d := Plan(start, in)
			if got := d.Rollout; (got == nil) != (tt.wantState == "") || got != nil && got.State != tt.wantState {
				t.Errorf("decided %+v, want state %q", got, tt.wantState)
			}
		})
	}
}

func TestOfflineNodesThatLoadTakeThePlaceOfOthers(t *testing.T) {
	in := open(8)
	in.Rollout.Policy.MaxLoading = 25 // of eight
	in = apply(in, Plan(start, tallied(in, Tally{Connected: 1, Serving: 1})))
	if got := within(count(in, *in.Rollout, *in.Assignment).online, in.Assignment.Threshold); got != 3 {
		t.Fatalf("%d nodes are in the wave, want 3", got)
	}
	in.Nodes[1].Online, in.Nodes[2].Online = false, false
	if d := Plan(start, tallied(in, Tally{Connected: 3, Serving: 1})); d.Assignment != nil {
		t.Errorf("more were let in while two load: %+v", d.Assignment)
	}
	if d := Plan(start, tallied(in, Tally{Connected: 3, Serving: 3})); d.Assignment == nil ||
		d.Rollout.Progress != (Progress{Online: 6, InWave: 2, Serving: 1, Loading: 1, Offline: 2}) {
		t.Errorf("decided %+v, rollout %+v", d.Assignment, d.Rollout)
	}
}

func TestRefusalsAreToldOnceAndInOrder(t *testing.T) {
	hello, nack := Problem{Message: "as it was told in a hello"}, Problem{Message: "as it was told in an outcome"}
	want := []Refusal{{Node: "a", Problem: nack}, {Node: "b", Problem: nack}, {Node: "b", Problem: hello}}
	tallies := []Tally{
		{Refusals: []Refusal{{Node: "b", Problem: nack}, {Node: "b", Problem: hello}}},
		{Refusals: []Refusal{{Node: "a", Problem: nack}, {Node: "b", Problem: hello}}},
	}
	if got := refusals(tallies); !slices.Equal(got, want) {
		t.Errorf("refusals are %+v, want %+v", got, want)
	}
	for n := range 2 * MaxRefusals {
		tallies = append(tallies, Tally{Refusals: []Refusal{{Node: fleet.NodeID(fmt.Sprint("n", n))}}})
	}
	if got := refusals(tallies); len(got) != MaxRefusals {
		t.Errorf("%d refusals are remembered", len(got))
	}
}

func TestDeadlineSaysThatCountsDoNotDecide(t *testing.T) {
	in := tallied(open(1), Tally{Connected: 1, Serving: 1})
	in.Tallies[0].Nodes = Nodes{}
	in.Ages.Wave = DefaultDeadline
	d := Plan(start, in)
	const want = "wave 1 did not end within 10m0s: 0 of 1 nodes serve the candidate, and not every replica says which of its nodes serve " +
		"it now"
	if d.Rollout == nil || d.Rollout.State != Halted || d.Rollout.Reason != want {
		t.Errorf("rollout is %+v", d.Rollout)
	}
}

// BenchmarkCount is of ten thousand nodes at three replicas.
func BenchmarkCount(b *testing.B) {
	in := Input{Group: "g", Assignment: &Assignment{Candidate: two, Reach: whole}, Rollout: &Rollout{State: Progressing},
		Tallies: make([]Tally, 3)}
	for i, position := range scattered(10_000) {
		in.Nodes = append(in.Nodes, Node{Position: position, Online: true})
		n := &in.Tallies[i%3].Nodes
		n.Serving = append(n.Serving, position)
	}
	slices.Reverse(in.Nodes)
	for b.Loop() {
		if got := Plan(start.Add(time.Second), in); got.Ended != nil || Count(in).Serving != 10_000 {
			b.Fatal(got)
		}
	}
}
