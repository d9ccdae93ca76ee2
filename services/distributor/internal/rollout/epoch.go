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
	// aheadInterval is how often the ledger is told at most that another number of nodes is ahead: they enrol by the thousand.
	aheadInterval = 2 * time.Second
	// namedAhead is how many of these a reason names.
	namedAhead = 3
)

// Remedy is what an operator does about nodes that are ahead of the ledger.
const Remedy = "silverback recover"

// Newest is the last decision of a group that a ledger in this epoch has. Whoever follows a later one follows what the ledger lost, and
// takes what it decides for old. An assignment of an older epoch was not decided anew yet.
func Newest(epoch fleet.Epoch, a *Assignment) fleet.Stamp {
	if a == nil || a.Epoch != epoch {
		return fleet.Stamp{Epoch: epoch}
	}
	return a.Stamp()
}

// IsAhead reports whether a decision that a node follows is one that the ledger does not have. What no ledger can have decided is not
// believed.
func IsAhead(followed, newest fleet.Stamp) bool {
	return followed.Believable() && followed.After(newest)
}

// ahead are the online nodes that are ahead of the ledger, by name.
func (in Input) ahead() (all []Node) {
	newest := Newest(in.Epoch, in.Assignment)
	for _, n := range in.Nodes {
		if n.Online && IsAhead(n.Followed, newest) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(x, y Node) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// hold keeps everything as it is: whatever was decided now might be followed as soon as the ledger's numbers have grown past those of
// before, and send gateways back to what the ledger remembers. The rollout, also one that would begin, waits and says why.
func hold(now time.Time, in Input, ahead []Node) Decision {
	var d Decision
	r := Rollout{}
	switch {
	case in.newer() && !in.underWay():
		// It says why it does not begin, and has no assignment before it may.
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
	// A wave that waits has its whole time again when it goes on.
	r.State, r.FailTime, r.SettleTime = Waiting, time.Time{}, time.Time{}
	r.Ahead, r.AheadTime = len(ahead), now
	r.Reason = why(ahead, Newest(in.Epoch, in.Assignment))
	online, offline := places(in.Nodes)
	r.Progress.Online, r.Progress.Offline = len(online), len(offline)
	if r.Wave == 0 {
		r.Progress = Progress{Online: len(online), Offline: len(offline)}
	}
	d.Rollout = &r
	return d
}

// why says which nodes are ahead of the ledger, by how much, and what to do.
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
	return fmt.Sprintf("%s: ahead of the ledger, which is at %s: the latest of them follows %s. The ledger was restored or lost; nothing "+
		"changes on any gateway before %s",
		who, newest, latest, Remedy)
}

// held reports whether the rollout waits for the ledger.
func (in Input) held() bool {
	return in.Rollout != nil && in.Rollout.State.Open() && in.Rollout.Ahead > 0
}

// underWay reports whether a rollout is open that has its assignment: a newer revision waits for it, as ever.
func (in Input) underWay() bool {
	return in.Rollout != nil && in.Rollout.State.Open() && in.Assignment != nil && (!in.held() || in.Assignment.Rollout == in.Rollout.ID)
}

// released is the input without what a hold left in the rollout.
func (in Input) released() Input {
	if !in.held() {
		return in
	}
	r := *in.Rollout
	r.Ahead, r.AheadTime, r.Reason = 0, time.Time{}, ""
	in.Rollout = &r
	return in
}

// recovered has the assignment written anew after the epoch was raised, so that nodes follow again at once. Its stable revision and what it
// holds are of the ledger's past; beside a candidate they are left out, and nodes keep what they serve until a wave takes them.
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
