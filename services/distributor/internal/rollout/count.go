package rollout

import (
	"cmp"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// counts is what is known of the nodes of a rollout, each of them counted once.
type counts struct {
	Progress
	current        bool      // every tally was counted under the present assignment, and says which nodes it counted
	online         []uint64  // where the online nodes are, in order
	fit            []uint64  // of these, the ones by which waves are measured: neither left out nor sick before the candidate comes to them
	failing        Positions // in the wave, and failing
	silent         Positions // in the wave, without an answer
	absent         Positions // left out, and not serving
	loadingOffline int       // offline nodes that load: they hold no wave, but take the place of others that may load
	kept           Positions // unmanaged, and left alone
	refusals       []Refusal
	failure        string
}

// A report is what tallies say of one node, a bit for each state. No bit: no replica holds a stream of it.
type report uint8

const (
	reportedServing report = 1 << iota
	reportedLoading
	reportedFailed
	reportedRefused
	reportedKept // with reportedFailed
)

// agreed is what counts when tallies differ. A node that moved between replicas may be in two of them for a while, and which
// one is the older nobody knows: it is waited for until they agree. But a refusal is a refusal, whoever heard it.
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

// Count returns the progress of the newest rollout: live while it is open, as it was kept when it has ended.
func Count(in Input) Progress {
	if in.Rollout == nil {
		return Progress{}
	}
	if !in.Rollout.State.Open() || in.Assignment == nil || in.Assignment.Rollout != in.Rollout.ID {
		return in.Rollout.Progress
	}
	return count(in, *in.Rollout, *in.Assignment).Progress
}

// count joins what the tallies say with the roster. In the wave is every online node that the assignment includes, whether
// or not a replica holds its stream, and every node whose stream is counted though the roster has not heard of it. What a tally says
// of an offline node is left out, unless that is a refusal. A node that is left out counts only when it serves or refuses.
func count(in Input, r Rollout, a Assignment) counts {
	online, offline := places(in.Nodes)
	c := counts{current: true, online: online}
	leftOut := r.LeftOut
	if c.fit = fit(in.Nodes, online, r, a); len(c.fit) == 0 {
		c.fit, leftOut = online, nil // they are all there is
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
			// Its counts are of nobody knows which nodes, and so none of them serves; but who refused stands there by name.
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
				c.loadingOffline++
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
	c.Refused = max(c.Refused, unnamed)
	c.refusals = refusals(in.Tallies)
	return c
}

// add counts a node that is in the wave.
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

// fit returns the online nodes by which waves are measured.
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

// sickOf returns the nodes that cannot be expected to serve anything new, with the reason.
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

// addReports adds a report of the nodes at positions: to reports for online nodes, which are in the same order as online, else to others.
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

// refusers are the nodes whose refusals a tally tells.
func (t Tally) refusers(group fleet.GroupID) (all Positions) {
	for _, r := range t.Refusals {
		all = append(all, fleet.Position(group, r.Node))
	}
	slices.Sort(all)
	return all
}

// refusals returns what the tallies tell of refusals: of each node what one of them says, for another may say it again. The same fleet
// gives the same record, whichever replica's tally came first.
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

// tolerated is how many nodes of the wave may fail.
func (c counts) tolerated(r Rollout) int { return c.InWave * r.Policy.MaxFailedPercent / 100 }

// proven reports whether the candidate may stay where it is although the rollout is not complete: more than half of the nodes that it
// reached serve it; that one refused it was seen before. When none of them is online the waves before speak for it.
func (c counts) proven(r Rollout) bool {
	if c.InWave == 0 {
		return r.Wave > 1
	}
	return 2*c.Serving > c.InWave
}

// held is how many nodes keep the wave from being complete.
func (c counts) held() int { return c.InWave - c.Serving }

// troubled reports whether nodes that fail or never answer are all that the wave waits for: too many that fail, or no more in all than may.
func (c counts) troubled(r Rollout) bool {
	tolerated := c.tolerated(r)
	return c.Failed > tolerated && c.Loading == 0 || c.Loading > 0 && c.held() <= tolerated
}

// excused is how many nodes of the wave need not serve.
func (c counts) excused(r Rollout, waited bool) int {
	if waited {
		return min(c.held(), c.tolerated(r))
	}
	return min(c.Failed, c.tolerated(r))
}

// settled reports whether the wave is complete: all that it should include is included, and all of these serve, but for
// the failures that the policy allows. At least one node must serve. A node that never answers has failed once the others have waited for
// it.
func (c counts) settled(r Rollout, a Assignment, waited bool) bool {
	if !c.current || c.Serving == 0 || c.Serving+c.excused(r, waited) < c.InWave {
		return false
	}
	if r.Wave == r.Policy.WaveCount() {
		return a.Threshold == fleet.MaxPosition
	}
	return within(c.fit, a.Threshold) >= r.Policy.size(r.Wave, len(c.fit))
}

// places returns where the online and the offline nodes are, each in order. Nodes at the same place are one.
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
