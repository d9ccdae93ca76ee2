package rollout

import (
	"cmp"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// counts holds what is known about the nodes of a rollout. Each node counts once.
type counts struct {
	Progress
	strain         strain    // of the loads of the candidate
	current        bool      // every tally is for the present assignment and names its nodes
	online         []uint64  // positions of the online nodes, sorted
	fit            []uint64  // the online nodes that waves are measured by: not left out, and not sick before the candidate reaches them
	failing        Positions // in the wave, and failing
	silent         Positions // in the wave, without an answer
	absent         Positions // left out, and not serving
	loadingOffline Positions // offline nodes that load: a wave does not wait for them, but they count against max_loading
	nodes          []Node    // all that the registry knows
	kept           Positions // unmanaged, and not changed
	refusals       []Refusal
	failure        string
}

// A report is what tallies say about one node, one bit for each state. No bit means that no replica has a stream of it.
type report uint8

const (
	reportedServing report = 1 << iota
	reportedLoading
	reportedFailed
	reportedRefused
	reportedKept // with reportedFailed
)

// agreed returns the state that counts. A node that moved between replicas may be in two tallies for a while, and nothing tells which one
// is older: it counts as loading until they agree. A refusal always counts.
func (w report) agreed() report {
	switch {
	case w&reportedRefused != 0:
		return reportedRefused
	case w == reportedServing, w == reportedFailed:
		return w
	case w == reportedFailed|reportedKept:
		return reportedKept
	}
	return reportedLoading
}

// Count returns the progress of the newest rollout: live while it is open, the recorded one after its end.
func Count(in Input) Progress {
	if in.Rollout == nil {
		return Progress{}
	}
	if !in.Rollout.State.Open() || in.Assignment == nil || in.Assignment.Rollout != in.Rollout.ID {
		return in.Rollout.Progress
	}
	return count(in, *in.Rollout, *in.Assignment).Progress
}

// count combines the tallies with the nodes of the registry. In the wave is every online node that the assignment includes, with or without
// a stream, and every node with a stream that the registry does not know. A tally's word on an offline node counts only when it is a
// refusal. A node that is left out counts only when it serves or refuses.
func count(in Input, r Rollout, a Assignment) counts {
	online, offline := places(in.Nodes)
	c := counts{current: true, online: online, nodes: in.Nodes, strain: strainOf(in.Nodes, a.Candidate.Digest)}
	leftOut := r.LeftOut
	if c.fit = fit(in.Nodes, online, r, a); len(c.fit) == 0 {
		c.fit, leftOut = online, nil // there are no others
	}
	reports, others := make([]report, len(online)), map[uint64]report{}
	unnamed := 0
	for _, t := range in.Tallies {
		c.current = c.current && t.Decision == a.Decision && t.named()
		addReports(reports, online, others, t.Nodes.Serving, reportedServing)
		addReports(reports, online, others, t.Nodes.Loading, reportedLoading)
		addReports(reports, online, others, t.Nodes.Failed, reportedFailed)
		addReports(reports, online, others, t.Nodes.Kept, reportedKept)
		addReports(reports, online, others, t.Nodes.Refused, reportedRefused)
		if !t.named() {
			// The tally of an older version does not name its nodes, so none of them counts as serving. It names those that refused.
			addReports(reports, online, others, t.refusers(in.Group), reportedRefused)
			unnamed = max(unnamed, t.Refused)
		}
		if c.failure == "" {
			c.failure = t.Failure
		}
	}
	c.Online, c.Offline = len(online), len(offline)
	for i, position := range online {
		if reports[i].agreed() == reportedKept {
			c.kept = append(c.kept, position)
		}
		switch w := reports[i].agreed(); {
		case reports[i] == 0 && !a.Includes(position):
		case leftOut.has(position) && w != reportedServing && w != reportedRefused:
			c.LeftOut++
			c.absent = append(c.absent, position)
		default:
			c.add(position, w)
		}
	}
	for position, w := range others {
		if _, known := slices.BinarySearch(offline, position); known {
			if w.agreed() == reportedLoading {
				c.loadingOffline = append(c.loadingOffline, position)
			}
			if w.agreed() != reportedRefused {
				continue
			}
			c.Offline--
		}
		c.Online++
		c.add(position, w.agreed())
	}
	slices.Sort(c.failing)
	slices.Sort(c.silent)
	slices.Sort(c.loadingOffline)
	c.Refused = max(c.Refused, unnamed)
	c.refusals = refusals(in.Tallies)
	return c
}

// add counts a node of the wave.
func (c *counts) add(position uint64, agreed report) {
	c.InWave++
	switch agreed {
	case reportedServing:
		c.Serving++
	case reportedFailed, reportedKept:
		c.Failed++
		c.failing = append(c.failing, position)
	case reportedRefused:
		c.Refused++
	default:
		c.Loading++
		c.silent = append(c.silent, position)
	}
}

// fit returns the online nodes that waves are measured by.
func fit(nodes []Node, online []uint64, r Rollout, a Assignment) []uint64 {
	sick := sickOf(nodes, r)
	if len(sick) == 0 && len(r.LeftOut) == 0 {
		return online
	}
	all := make([]uint64, 0, len(online))
	for _, position := range online {
		if _, unwell := sick[position]; r.LeftOut.has(position) || unwell && !a.Includes(position) {
			continue
		}
		all = append(all, position)
	}
	return all
}

// sickOf returns the nodes that cannot serve anything new, with the reason.
func sickOf(nodes []Node, r Rollout) map[uint64]Absentee {
	sick := map[uint64]Absentee{}
	for _, n := range nodes {
		switch {
		case n.Sick != "":
			sick[n.Position] = Absentee{Node: n.Name, Position: n.Position, Reason: n.Sick}
		case r.Suspects.has(n.Position):
			sick[n.Position] = Absentee{Node: n.Name, Position: n.Position, Reason: "did not serve the revision before"}
		}
	}
	return sick
}

// addReports adds a report about the nodes at positions: to reports, which is parallel to online, or else to others.
func addReports(reports []report, online []uint64, others map[uint64]report, positions Positions, w report) {
	i := 0
	for _, position := range positions {
		for i < len(online) && online[i] < position {
			i++
		}
		if i < len(online) && online[i] == position {
			reports[i] |= w
		} else {
			others[position] |= w
		}
	}
}

// refusers returns the positions of the nodes whose refusals a tally lists.
func (t Tally) refusers(group fleet.GroupID) (all Positions) {
	for _, r := range t.Refusals {
		all = append(all, fleet.Position(group, r.Node))
	}
	slices.Sort(all)
	return all
}

// refusals returns the refusals in the tallies, sorted by node. Those of one node come from one tally only: another may repeat them.
func refusals(tallies []Tally) (all []Refusal) {
	reporter := map[fleet.NodeID]int{}
	for i, t := range tallies {
		for _, r := range t.Refusals {
			if first, known := reporter[r.Node]; known && first != i {
				continue
			}
			reporter[r.Node] = i
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(x, y Refusal) int { return cmp.Compare(x.Node, y.Node) })
	return all[:min(len(all), MaxRefusals)]
}

// tolerated returns how many nodes of the wave may fail.
func (c counts) tolerated(r Rollout) int { return c.InWave * r.Policy.MaxFailedPercent / 100 }

// proven reports whether the candidate may stay where it is although the rollout is not complete: more than half of the nodes in the wave
// serve it. When none of them is online, an earlier complete wave proves it.
func (c counts) proven(r Rollout) bool {
	if c.InWave == 0 {
		return r.Wave > 1
	}
	return 2*c.Serving > c.InWave
}

// held returns how many nodes of the wave do not serve the candidate.
func (c counts) held() int { return c.InWave - c.Serving }

// troubled reports whether the wave waits only for nodes that fail, or only for as many silent nodes as may fail.
func (c counts) troubled(r Rollout) bool {
	tolerated := c.tolerated(r)
	return c.Failed > tolerated && c.Loading == 0 || c.Loading > 0 && c.held() <= tolerated
}

// excused returns how many nodes of the wave need not serve.
func (c counts) excused(r Rollout, waited bool) int {
	if waited {
		return min(c.held(), c.tolerated(r))
	}
	return min(c.Failed, c.tolerated(r))
}

// settled reports whether the wave is complete: it includes as many nodes as the policy says, and all of them serve except for tolerated
// failures. At least one node must serve. Once waited is true, a node without an answer counts as failed.
func (c counts) settled(r Rollout, a Assignment, waited bool) bool {
	if !c.current || c.Serving == 0 || c.Serving+c.excused(r, waited) < c.InWave {
		return false
	}
	if r.Wave == r.Policy.WaveCount() {
		return a.Threshold == fleet.MaxPosition
	}
	if r.Policy.chooses() {
		return len(c.lacking(r, a)) == 0
	}
	return a.count(c.fit) >= c.wanted(r, a)
}

// places returns the sorted positions of the online and of the offline nodes. Nodes at the same position count as one.
func places(nodes []Node) (online, offline []uint64) {
	for _, n := range nodes {
		if n.Online {
			online = append(online, n.Position)
		} else {
			offline = append(offline, n.Position)
		}
	}
	slices.Sort(online)
	slices.Sort(offline)
	return slices.Compact(online), slices.Compact(offline)
}
