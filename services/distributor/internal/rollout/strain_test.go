package rollout

import (
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// When the first wave loads much slower than its nodes did before, fewer load at once in the next; it recovers.
func TestAStrainedWaveSlowsTheNextOne(t *testing.T) {
	for name, tt := range map[string]struct {
		strain []float64 // of the nodes of the first wave
		loaded fleet.Digest
		want   int // that load at once in the second wave
	}{
		"nothing is known":                {nil, "", 10},
		"as before":                       {[]float64{1, 1.2, 0.8}, two.Digest, 10},
		"one slow node does not count":    {[]float64{1, 9, 1}, two.Digest, 10},
		"twice as long":                   {[]float64{2, 2.5, 1}, two.Digest, 5},
		"four times as long":              {[]float64{4, 4, 5}, two.Digest, 2},
		"as long for another candidate":   {[]float64{9, 9, 9}, one.Digest, 10},
		"two say so, and the lower holds": {[]float64{1, 9}, two.Digest, 10},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Group: "g", Newest: two, Nodes: nodes(40, 0), Assignment: &Assignment{Stable: one, Decision: 5},
				Policy: Policy{MaxLoading: 25, Waves: []Wave{{Nodes: 3}, {Percent: 100}}}}
			in = apply(in, Plan(start, in))
			in = tallied(in, Tally{Connected: 3, Serving: 3})
			for i, s := range tt.strain {
				in.Nodes[i].Strain, in.Nodes[i].Loaded = s, tt.loaded
			}
			in = apply(in, Plan(start, in))
			included := reached(in)
			if in.Rollout.Wave != 2 || included != 3+tt.want {
				t.Fatalf("wave %d includes %d nodes, want %d to load", in.Rollout.Wave, included, tt.want)
			}
			next := Next(in, Count(in), nil)
			if says := strings.Contains(next, "times as long as before"); says != (tt.want < 10) {
				t.Errorf("what comes next is %q", next)
			}
			// The nodes after them load as ever, and the median comes down.
			for i := range included {
				in.Nodes[i].Loaded, in.Nodes[i].Strain = two.Digest, 1
				if i < 2 {
					in.Nodes[i].Strain = 9
				}
			}
			in = apply(in, Plan(start, tallied(in, Tally{Connected: included, Serving: included})))
			if more := reached(in) - included; more != 10 {
				t.Errorf("it did not recover: %d load at once", more)
			}
		})
	}
}

// reached counts the nodes that are to run the candidate.
func reached(in Input) (n int) {
	for _, node := range in.Nodes {
		if in.Assignment.Includes(node.Position) {
			n++
		}
	}
	return n
}

func TestAtLeastOneNodeLoads(t *testing.T) {
	for _, s := range []strain{{}, {median: 3, nodes: 1}, {median: 100, nodes: 1}} {
		if got := s.ease(1); got != 1 {
			t.Errorf("%+v: %d at once", s, got)
		}
	}
	if got := (strain{median: 3, nodes: 2}).words(10); got != "; 5 at once rather than 10, because loads take 3.0 times as long as before "+
		"(median of 2 node(s))" {
		t.Errorf("it says %q", got)
	}
}
