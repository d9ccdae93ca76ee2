package rollout

import (
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A strain says how much longer the loads of a candidate take than loads before let expect. The zero strain is that nobody knows.
type strain struct {
	median float64
	nodes  int // that say so
}

// From these medians on, half or a quarter as many nodes load at once.
const (
	strained = 2.0
	heavily  = 4.0
)

// strainOf returns the median of the online nodes whose last load was of that content.
func strainOf(nodes []Node, digest fleet.Digest) strain {
	var all []float64
	for _, n := range nodes {
		if n.Online && n.Strain > 0 && n.Loaded == digest {
			all = append(all, n.Strain)
		}
	}
	if len(all) == 0 {
		return strain{}
	}
	slices.Sort(all)
	return strain{median: all[(len(all)-1)/2], nodes: len(all)}
}

// ease returns how many nodes may load at once where so many may without strain; at least one.
func (s strain) ease(limit int) int {
	switch {
	case s.median >= heavily:
		limit /= 4
	case s.median >= strained:
		limit /= 2
	}
	return max(limit, 1)
}

// atOnce returns how many nodes may load at once now.
func (c counts) atOnce(r Rollout) int { return c.strain.ease(r.Policy.maxLoading(len(c.fit))) }

// words says why fewer nodes load at once than the policy allows; empty when they do not.
func (s strain) words(limit int) string {
	if s.ease(limit) == limit {
		return ""
	}
	return fmt.Sprintf("; %d at once rather than %d, because loads take %.1f times as long as before (median of %d node(s))", s.ease(limit),
		limit, s.median, s.nodes)
}
