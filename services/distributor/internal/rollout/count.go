package rollout

import (
	"cmp"
	"slices"
)

// counts is what is known of the nodes of a rollout.
type counts struct {
	Progress
	expected int  // nodes in the waves that must answer: the most that anybody knows of
	current  bool // every tally was counted under the present assignment
	refusals []Refusal
	failure  string
}

// Count returns the progress of the newest rollout: live while it is open, as it was kept when it has ended.
func Count(in Input) Progress {
	if in.Rollout == nil {
		return Progress{}
	}
	if !in.Rollout.State.Open() || in.Assignment == nil || in.Assignment.Rollout != in.Rollout.ID {
		return in.Rollout.Progress
	}
	return count(in, *in.Assignment).Progress
}

func count(in Input, a Assignment) counts {
	c := counts{current: true}
	for _, n := range in.Nodes {
		switch {
		case !n.Online:
			c.Offline++
		case a.Includes(n.Position):
			c.Online++
			c.InWave++
		default:
			c.Online++
		}
	}
	connected := 0
	for _, t := range in.Tallies {
		if t.Decision != a.Decision {
			c.current = false
		}
		connected += t.Connected
		c.Serving += t.Serving
		c.Refused += t.Refused
		c.Failed += t.Failed
		if c.failure == "" {
			c.failure = t.Failure
		}
		c.refusals = append(c.refusals, t.Refusals...)
	}
	// The same fleet gives the same record, whichever replica's tally came first.
	slices.SortStableFunc(c.refusals, func(x, y Refusal) int { return cmp.Compare(x.Node, y.Node) })
	c.refusals = c.refusals[:min(len(c.refusals), MaxRefusals)]
	// A node that the registry has not heard of may hold a stream, and one that it has may not: neither is forgotten.
	c.expected = max(c.InWave, connected)
	c.InWave, c.Online = c.expected, max(c.Online, c.expected)
	c.Loading = max(0, c.InWave-c.Serving-c.Refused-c.Failed)
	return c
}

// tolerated is how many nodes of the wave may fail.
func (c counts) tolerated(r Rollout) int { return c.expected * r.Policy.MaxFailedPercent / 100 }

// settled reports whether the wave is complete: all that it should include is included, and all of these serve, but for
// the failures that the policy allows. At least one node must serve.
func (c counts) settled(r Rollout, a Assignment, online []uint64) bool {
	if c.Serving == 0 || c.Serving+min(c.Failed, c.tolerated(r)) < c.expected {
		return false
	}
	if r.Wave == r.Policy.WaveCount() {
		return a.Threshold == ^uint64(0)
	}
	return within(online, a.Threshold) >= r.Policy.size(r.Wave, len(online))
}
