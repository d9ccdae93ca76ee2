package rollout

import (
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Reach is a set of nodes of a group, the future ones included: those below a threshold of the group's hash order, and those that were
// chosen one by one. Waves by count need no more than the threshold, which stays small however many nodes there are. Waves by label
// choose.
type Reach struct {
	Threshold uint64    `json:"threshold,omitempty"`
	Chosen    Positions `json:"chosen,omitempty"`
}

// whole is every node of a group.
var whole = Reach{Threshold: fleet.MaxPosition}

// Has reports whether the node at a position is among them.
func (r Reach) Has(position uint64) bool { return position < r.Threshold || r.Chosen.has(position) }

// IsZero reports whether there are none.
func (r Reach) IsZero() bool { return r.Threshold == 0 && len(r.Chosen) == 0 }

// equal reports whether both are the same nodes.
func (r Reach) equal(other Reach) bool { return r.covers(other) && other.covers(r) }

// covers reports whether all nodes of another reach are among them.
func (r Reach) covers(other Reach) bool {
	outside := func(position uint64) bool { return !r.Has(position) }
	return other.Threshold <= r.Threshold && !slices.ContainsFunc(other.Chosen, outside)
}

// plus returns the nodes of both. Positions need not be sorted.
func (r Reach) plus(positions []uint64) Reach {
	r.Chosen = r.Chosen.merge(slices.Sorted(slices.Values(positions)))
	return r
}

// count returns how many of the sorted positions are among them.
func (r Reach) count(positions []uint64) int {
	n := within(positions, r.Threshold)
	if len(r.Chosen) == 0 {
		return n
	}
	for _, position := range positions[n:] {
		if r.Chosen.has(position) {
			n++
		}
	}
	return n
}

// anyOf returns whether fits holds for one of them at least. Below the threshold it looks at the last position only.
func (r Reach) anyOf(fits func(position uint64) bool) bool {
	return r.Threshold > 0 && fits(r.Threshold-1) || slices.ContainsFunc(r.Chosen, fits)
}

// within returns how many of the sorted positions are below a threshold.
func within(positions []uint64, threshold uint64) int {
	at, _ := slices.BinarySearch(positions, threshold)
	return at
}
