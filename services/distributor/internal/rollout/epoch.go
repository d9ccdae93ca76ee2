package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

const (
	// aheadInterval limits how often a changed number of nodes ahead is written: nodes enrol by the thousand.
	aheadInterval = 2 * time.Second
	// namedAhead is how many of these nodes a reason names.
	namedAhead = 3
)

// Remedy is the command for an operator when nodes are ahead of the ledger.
const Remedy = "silverback recover"

// Lineage returns what a ledger of this epoch knows of the decisions of a group. An assignment of an older epoch does not count.
func Lineage(epoch fleet.Epoch, a *Assignment) fleet.Lineage {
	if a == nil || a.Epoch != epoch {
		return fleet.Lineage{Last: fleet.Stamp{Epoch: epoch}}
	}
	return a.Lineage()
}

// IsAhead reports whether a node follows a decision that the ledger lost: it refuses what the ledger decides. Impossible decisions are
// ignored.
func IsAhead(followed fleet.Stamp, ledger fleet.Lineage) bool {
	return followed.Believable() && !ledger.Covers(followed)
}

// ahead returns the online nodes that are ahead of the ledger, by name.
func (in Input) ahead() (all []Node) {
	ledger := Lineage(in.Epoch, in.Assignment)
	for _, n := range in.Nodes {
		if n.Online && IsAhead(n.Followed, ledger) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(x, y Node) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// hold keeps everything as it is. Nodes that do not know the term of what they follow would follow a decision made now once the ledger's
// numbers grow past the lost ones, and gateways would go back to an older revision. The rollout, also one that would begin, waits and says
// why.
func hold(now time.Time, in Input, ahead []Node) Decision {
	var d Decision
	r := Rollout{}
	switch {
	case in.newer() && !in.underWay():
		// The record says why the rollout does not begin. It has no assignment until it does.
		begun := begin(now, in, takeover{})
		d.Ended, r = begun.Ended, *begun.Rollout
		r.State, r.Wave, r.WaveTime = Waiting, 0, time.Time{}
	case in.Rollout == nil || !in.Rollout.State.Open():
		return Decision{}
	default:
		r = *in.Rollout
		since := now.Sub(r.AheadTime)
		switch recent := since >= 0 && since < aheadInterval; {
		case r.Ahead == len(ahead):
			return Decision{}
		case r.Ahead > 0 && recent:
			return Decision{Wait: aheadInterval - since}
		}
	}
	// A wave has its whole deadline again after the wait.
	r.State, r.FailTime, r.SettleTime = Waiting, time.Time{}, time.Time{}
	r.Ahead, r.AheadTime = len(ahead), now
	r.Reason = why(ahead, Lineage(in.Epoch, in.Assignment).Last)
	online, offline := places(in.Nodes)
	r.Progress.Online, r.Progress.Offline = len(online), len(offline)
	if r.Wave == 0 {
		r.Progress = Progress{Online: len(online), Offline: len(offline)}
	}
	d.Rollout = &r
	return d
}

// why says which nodes are ahead of the ledger and what to do.
func why(ahead []Node, newest fleet.Stamp) string {
	names := make([]string, 0, namedAhead)
	latest := fleet.Stamp{}
	for i, n := range ahead {
		if i < namedAhead {
			names = append(names, string(n.Name))
		}
		if n.Followed.After(latest) {
			latest = n.Followed
		}
	}
	who := strings.Join(names, ", ")
	if more := len(ahead) - len(names); more > 0 {
		who += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s: ahead of the ledger, which is at %s: the latest of them follows %s, which it does not have. The ledger was "+
		"restored or lost; nothing changes on any gateway before %s",
		who, newest, latest, Remedy)
}

// held reports whether the rollout waits for the ledger.
func (in Input) held() bool {
	return in.Rollout != nil && in.Rollout.State.Open() && in.Rollout.Ahead > 0
}

// underWay reports whether an open rollout has its assignment. A newer revision waits for it.
func (in Input) underWay() bool {
	return in.Rollout != nil && in.Rollout.State.Open() && in.Assignment != nil && (!in.held() || in.Assignment.Rollout == in.Rollout.ID)
}

// released returns the input without the traces of a hold.
func (in Input) released() Input {
	if !in.held() {
		return in
	}
	r := *in.Rollout
	r.Ahead, r.AheadTime, r.Reason = 0, time.Time{}, ""
	in.Rollout = &r
	return in
}

// recovered writes the assignment again after the epoch was raised, so that nodes follow it at once. While there is a candidate, the stable
// revision and the holds are dropped, because they may be outdated: nodes keep what they serve until a wave reaches them.
func recovered(in Input, d Decision) Decision {
	if in.held() && d.Rollout == nil && d.Ended == nil {
		d.Rollout = in.released().Rollout
	}
	if in.Assignment == nil || in.Assignment.Epoch == in.Epoch {
		return d
	}
	a := *in.Assignment
	if d.Assignment != nil {
		a = *d.Assignment
	}
	if !a.Candidate.IsZero() {
		a.Stable, a.Held = Target{}, nil
	}
	d.Assignment = &a
	return d
}
