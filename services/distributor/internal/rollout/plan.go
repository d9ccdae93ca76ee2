package rollout

import (
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Input is everything that a decision depends on.
type Input struct {
	Group      fleet.GroupID
	Epoch      fleet.Epoch // of the ledger
	Newest     Target      // the newest revision of the group; zero when it has none
	Policy     Policy      // for a new rollout; an open one keeps its own
	Assignment *Assignment // nil before the first
	Rollout    *Rollout    // the newest; nil before the first
	Ages       Ages        // of the newest rollout, as this leader measured them
	Orders     Orders      // of the group
	Closed     Closed      // zero while a change window of the group is open, and when it has none
	Nodes      []Node      // all known nodes, in any order
	Tallies    []Tally     // of the newest rollout, one for each replica with sessions
	Evidence   []Evidence  // of the newest rollout, one for each replica with evidence
}

// Closed says that no change window is open, by the clock of who asks.
type Closed struct {
	For   time.Duration // from now on
	Until time.Time
}

// ClosedUntil is Closed until a time; the zero time is not at all.
func ClosedUntil(now, until time.Time) Closed {
	if until.IsZero() {
		return Closed{}
	}
	return Closed{For: until.Sub(now), Until: until}
}

// A Decision is what to write in one transaction. The zero Decision means that there is nothing to do.
type Decision struct {
	Ended      *Rollout      // an older rollout, in its last state
	Rollout    *Rollout      // the newest rollout, in its new state
	Assignment *Assignment   // who runs what from now on; nil leaves the present one
	Wait       time.Duration // ask again after this time at the latest; 0 means only after a change
}

// IsZero reports whether there is nothing to write.
func (d Decision) IsZero() bool { return d.Ended == nil && d.Rollout == nil && d.Assignment == nil }

// Plan decides the next step of a group. It does not modify its input. Now is only written into records; no decision depends on it. While
// nodes are ahead of the ledger, Plan changes nothing for the group.
func Plan(now time.Time, in Input) Decision {
	if ahead := in.ahead(); len(ahead) > 0 {
		return hold(now, in, ahead)
	}
	return recovered(in, plan(now, in.released(), in.held()))
}

// plan is Plan when no node is ahead of the ledger. Held is true when the rollout waited for the ledger until now.
func plan(now time.Time, in Input, held bool) Decision {
	open := in.Rollout != nil && in.Rollout.State.Open()
	begun := in.Assignment != nil && (!held || in.Assignment.Rollout == in.Rollout.ID)
	newer, left := in.newer(), time.Duration(0)
	if newer && !(open && begun) {
		left = in.intervalLeft()
	}
	switch {
	case open && begun:
		return advance(now, in, *in.Rollout, *in.Assignment, newer)
	case newer && left > 0:
		return Decision{Wait: left}
	case newer, in.retried():
		return begin(now, in, takeover{})
	case open && held: // before it began
		a := Assignment{Stable: in.Rollout.Stable, Candidate: in.Rollout.Candidate, Rollout: in.Rollout.ID}
		if in.Assignment != nil {
			a.Held = in.Assignment.left(false)
		}
		return launch(now, in, *in.Rollout, a)
	}
	if in.waits() {
		return Decision{Wait: in.closedFor()}
	}
	return Decision{}
}

// newer reports whether the newest revision needs a rollout and may have one.
func (in Input) newer() bool { return in.waits() && in.closedFor() == 0 }

// waits reports whether the newest revision needs a rollout and neither a freeze nor a pinning keeps it from one.
func (in Input) waits() bool {
	return !in.Newest.IsZero() && in.Newest.Revision > handled(in) && in.mayBegin()
}

// retried reports whether an operator ordered another rollout to the newest revision.
func (in Input) retried() bool {
	if in.Rollout == nil || in.Newest.IsZero() || !in.mayBegin() {
		return false
	}
	_, ordered := in.Orders.retried(*in.Rollout)
	return ordered
}

// mayBegin reports whether neither a freeze nor a pinning keeps a rollout from beginning.
func (in Input) mayBegin() bool {
	return in.Orders.Frozen() == nil && (in.Rollout == nil || !in.Rollout.Pinning.blocks(in.Newest.Revision))
}

// handled returns the newest revision that has had a rollout.
func handled(in Input) (r fleet.Revision) {
	if in.Rollout != nil {
		r = in.Rollout.Candidate.Revision
	}
	if in.Assignment != nil {
		r = max(r, in.Assignment.Stable.Revision, in.Assignment.Candidate.Revision)
	}
	return r
}

// takeover says how a rollout supersedes an open one.
type takeover struct {
	atGate    bool // as Rollout.TookOver
	withdrawn bool // the candidate of the open one is taken back
}

// begin opens a rollout for the newest revision. An open rollout is superseded; its stable revision stays the stable one.
func begin(now time.Time, in Input, how takeover) Decision {
	var d Decision
	var a Assignment
	if in.Assignment != nil {
		a = *in.Assignment
	}
	number := 1
	r := Rollout{Group: in.Group, Stable: a.Stable, Candidate: in.Newest, State: Waiting, Policy: in.Policy, TookOver: how.atGate,
		CreateTime: now}
	if in.Rollout != nil {
		_, _ = fmt.Sscanf(string(in.Rollout.ID), "%d", &number)
		number++
		r.Suspects, r.LoadTime = in.Rollout.Unserved, lastLoad(*in.Rollout)
		if order, ok := in.Orders.begins(*in.Rollout); ok {
			r.Orders = []Order{order}
			if order.Full {
				r.Promoted = r.Policy.WaveCount()
			}
		}
		if in.Rollout.State.Open() {
			c := count(in, *in.Rollout, a)
			old := ended(now, *in.Rollout, a, Superseded, c, stuck(in, *in.Rollout, a, c))
			old.Reason = fmt.Sprintf("revision %d took its place", in.Newest.Revision)
			d.Ended, r.Suspects = &old, old.Unserved
		}
	}
	r.ID = fleet.RolloutID(fmt.Sprintf("%08d", number))
	a = Assignment{Stable: a.Stable, Candidate: in.Newest, Rollout: r.ID, Held: a.left(how.withdrawn)}
	if a.without().runs(in.Newest.Digest, whole) {
		// The group runs that content already. Only the revision number changes, which needs no waves and no gates.
		r.Policy.Waves, r.Policy.MaxLoading, r.Policy.Spread = []Wave{{Percent: wholeGroup}}, wholeGroup, nil
		r.Promoted = 1
		r.Reason = "the group runs this content already"
	} else if share, ok := in.atOnce(a); ok {
		r.Policy.Waves = []Wave{{Percent: wholeGroup}}
		r.AtOnce, r.Reason = true, onlyTargets(share)
	}
	next := launch(now, in, r, a)
	next.Ended = d.Ended
	return next
}

// launch gives a rollout its assignment.
func launch(now time.Time, in Input, r Rollout, a Assignment) Decision {
	in.Tallies, in.Evidence, in.Ages = nil, nil, Ages{} // these belong to another rollout
	next := advance(now, in, r, a, false)
	if next.Rollout == nil {
		next.Rollout = &r
	}
	if next.Assignment == nil {
		next.Assignment = &a
	}
	return next
}

// supersedes reports whether the newest revision supersedes an open rollout in the middle of a wave, and how. It does when no node has the
// candidate yet, when the newest revision has the content from before, or when the rollout is stuck. Otherwise it waits for the end of the
// wave; or else frequent changes would never get beyond the first wave.
func supersedes(in Input, r Rollout, a Assignment, c counts) (takeover, bool) {
	// When no node is online nothing is taken back: the gateways still serve, and no wave of the new rollout would reach them.
	how := takeover{withdrawn: !c.proven(r) && len(c.online) > 0}
	room := len(a.left(how.withdrawn)) <= maxHolds
	switch {
	case a.Reach.IsZero():
		return takeover{atGate: r.TookOver, withdrawn: true}, true
	case a.Stable.Digest == in.Newest.Digest, a.without().runs(in.Newest.Digest, a.Reach):
		return takeover{withdrawn: true}, true
	case c.InWave == 0 && c.LeftOut == 0:
		how.atGate = r.TookOver
		return how, room
	}
	return how, room && stuck(in, r, a, c)
}

// stuck reports whether a rollout makes no progress without help.
func stuck(in Input, r Rollout, a Assignment, c counts) bool {
	return c.Failed > c.tolerated(r) && c.Loading == 0 || in.Ages.Idle >= stuckAfter && r.State == Progressing && !c.settled(r, a, false)
}
