package rollout

import (
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Input is everything a decision rests on.
type Input struct {
	Group      fleet.GroupID
	Epoch      fleet.Epoch // of the ledger
	Newest     Target      // the newest revision of the group; zero when it has none
	Policy     Policy      // for a rollout that begins; one that runs keeps its own
	Assignment *Assignment // nil before the first
	Rollout    *Rollout    // the newest; nil before the first
	Ages       Ages        // of the newest rollout, as this leader measured them
	Orders     Orders      // of the group
	Nodes      []Node      // all known nodes, in any order
	Tallies    []Tally     // of the newest rollout, one for each replica that has sessions
	Evidence   []Evidence  // of the newest rollout, one for each replica that has some
}

// A Decision is what to write, all in one transaction. The zero Decision is nothing to do.
type Decision struct {
	Ended      *Rollout    // an older rollout, in its last state
	Rollout    *Rollout    // the newest rollout, in its new state
	Assignment *Assignment // who runs what from now on; nil leaves it
	Wait       time.Duration
}

// IsZero is true when nothing is to be written.
func (d Decision) IsZero() bool { return d.Ended == nil && d.Rollout == nil && d.Assignment == nil }

// Plan decides the next step of a group. Wait says when to ask again at the latest although nothing happened; 0 is
// never. What it was given is not modified. Now is written into records, and no decision rests on it. While nodes are ahead of the ledger
// it decides nothing for the group.
func Plan(now time.Time, in Input) Decision {
	if ahead := in.ahead(); len(ahead) > 0 {
		return hold(now, in, ahead)
	}
	return recovered(in, plan(now, in.released(), in.held()))
}

// plan is Plan without a look at the ledger's past. Held says that the rollout waited for the ledger until now.
func plan(now time.Time, in Input, held bool) Decision {
	open := in.Rollout != nil && in.Rollout.State.Open()
	begun := in.Assignment != nil && (!held || in.Assignment.Rollout == in.Rollout.ID)
	switch newer := in.newer(); {
	case open && begun:
		return advance(now, in, *in.Rollout, *in.Assignment, newer)
	case newer, in.retried():
		return begin(now, in, takeover{})
	case open && held: // before it began
		a := Assignment{Stable: in.Rollout.Stable, Candidate: in.Rollout.Candidate, Rollout: in.Rollout.ID}
		if in.Assignment != nil {
			a.Held = in.Assignment.left(false)
		}
		return launch(now, in, *in.Rollout, a)
	}
	return Decision{}
}

// newer reports whether the newest revision is to be rolled out: it is new, the group is not frozen, and what a rollback pins does not
// stand in the way.
func (in Input) newer() bool {
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

func (in Input) mayBegin() bool {
	return in.Orders.Frozen() == nil && (in.Rollout == nil || !in.Rollout.Pinning.blocks(in.Newest.Revision))
}

// handled is the newest revision that was decided on.
func handled(in Input) (r fleet.Revision) {
	if in.Rollout != nil {
		r = in.Rollout.Candidate.Revision
	}
	if in.Assignment != nil {
		r = max(r, in.Assignment.Stable.Revision, in.Assignment.Candidate.Revision)
	}
	return r
}

// takeover says how a rollout takes the place of an open one.
type takeover struct {
	atGate    bool // as Rollout.TookOver
	withdrawn bool // the open one's candidate is taken back
}

// begin opens a rollout for the newest revision; what was open is superseded and hands on its stable revision.
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
		r.Suspects = in.Rollout.Unserved
		if order, ok := in.Orders.retried(*in.Rollout); ok {
			r.Orders = []Order{order}
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
	if a.without().runs(in.Newest.Digest, fleet.MaxPosition) {
		// The group is to run that content already: only the name moves, which needs no waves. It is complete when the nodes have said so.
		r.Policy.Waves, r.Policy.MaxLoading = []Wave{{Percent: wholeGroup}}, wholeGroup
		r.Promoted = 1 // nor anything to judge
		r.Reason = "the content is what the group runs already"
	}
	next := launch(now, in, r, a)
	next.Ended = d.Ended
	return next
}

// launch gives a rollout its assignment.
func launch(now time.Time, in Input, r Rollout, a Assignment) Decision {
	in.Tallies, in.Evidence, in.Ages = nil, nil, Ages{} // they are of another rollout
	next := advance(now, in, r, a, false)
	if next.Rollout == nil {
		next.Rollout = &r
	}
	if next.Assignment == nil {
		next.Assignment = &a
	}
	return next
}

// supersedes reports whether the newest revision takes the place of a rollout under way, other than at a gate, and how: nobody has the
// candidate yet, or it is taken back, or it gets no further. Everything else is waited for, or frequent changes would never come beyond the
// first wave.
func supersedes(in Input, r Rollout, a Assignment, c counts) (takeover, bool) {
	// Absence takes nothing back: gateways of nodes that the registry has lost serve on, and where none is online no wave takes them on.
	how := takeover{withdrawn: !c.proven(r) && len(c.online) > 0}
	room := len(a.left(how.withdrawn)) <= maxHolds
	switch {
	case a.Threshold == 0:
		return takeover{atGate: r.TookOver, withdrawn: true}, true
	case a.Stable.Digest == in.Newest.Digest, a.without().runs(in.Newest.Digest, a.Threshold):
		return takeover{withdrawn: true}, true
	case c.InWave == 0 && c.LeftOut == 0:
		how.atGate = r.TookOver
		return how, room
	}
	return how, room && stuck(in, r, a, c)
}

// stuck reports whether a rollout gets no further by itself.
func stuck(in Input, r Rollout, a Assignment, c counts) bool {
	return c.Failed > c.tolerated(r) && c.Loading == 0 || in.Ages.Idle >= stuckAfter && r.State == Progressing && !c.settled(r, a, false)
}
