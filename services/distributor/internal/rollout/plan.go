package rollout

import (
	"fmt"
	"slices"
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

// advance takes an open rollout as far as it goes now. Newer is true when a newer revision waits for its end.
func advance(now time.Time, in Input, r Rollout, a Assignment, newer bool) Decision {
	before, ages := r, in.Ages
	c := count(in, r, a)
	if r.leaveOutUnmanaged(in.Nodes, c.kept) {
		c = count(in, r, a)
	}
	r.Progress = c.Progress
	if c.Refused > 0 {
		return refused(now, r, a, c)
	}
	if abort := r.obey(now, in.Orders.pending(r)); abort != nil {
		return rollBack(now, r, a, c, fmt.Sprintf("aborted by %s: %s", abort.Author, abort.Reason))
	}
	if !r.WaveTime.Equal(before.WaveTime) {
		ages = Ages{} // it was resumed
	}
	if newer && !r.Paused {
		if how, ok := supersedes(in, r, a, c); ok {
			return begin(now, in, how)
		}
	}
	if c.Online == 0 {
		r.State, r.FailTime, r.SettleTime = Waiting, time.Time{}, time.Time{}
		return changed(before, r, nil, 0)
	}
	if r.State == Waiting {
		// The clock of a wave starts with its first node.
		r.State, r.WaveTime, r.Wave, ages.Wave = Progressing, now, max(r.Wave, 1), 0
	}
	if r.Paused {
		r.State, r.FailTime, r.SettleTime = Paused, time.Time{}, time.Time{}
		return changed(before, r, nil, 0)
	}
	gates := in.judge(r)
	if len(gates) > 0 {
		r.Gates = gates
	}
	if failed := failedGate(gates); failed != nil && !r.promoted() {
		return gateFailed(now, r, a, c, *failed)
	}
	switch {
	case !c.troubled(r):
		r.FailTime, ages.Fail = time.Time{}, 0
	case r.FailTime.IsZero():
		r.FailTime, ages.Fail = now, 0
	}
	last := r.Wave == r.Policy.WaveCount()
	for c.settled(r, a, ages.Fail >= failureGrace) {
		if soak := r.Policy.soak(r.Wave); soak > 0 && !r.promoted() {
			r.State = Soaking
			if r.SettleTime.IsZero() {
				r.SettleTime, ages.Settle = now, 0
			}
			if left := soak - ages.Settle; left > 0 {
				return changed(before, r, nil, left)
			}
			if d, ends := inconclusive(now, before, r, a, c, gates, ages.Settle-soak); ends {
				return d
			}
		}
		if last {
			r = ended(now, r, a, Completed, c, true)
			return Decision{Rollout: &r, Assignment: &Assignment{Stable: r.Candidate}}
		}
		if newer && !r.TookOver && len(a.left(false)) <= maxHolds {
			return begin(now, in, takeover{atGate: true})
		}
		r.Wave++
		r.State, r.WaveTime, r.FailTime, r.SettleTime = Progressing, now, time.Time{}, time.Time{}
		last, ages, gates = r.Wave == r.Policy.WaveCount(), Ages{}, nil
	}
	if r.State == Soaking {
		// A node of the wave does not serve, or nobody knows whether it does. It is waited for, and the wave's deadline begins again.
		r.State, r.WaveTime, ages.Wave = Progressing, now, 0
	}
	if !last || !c.proven(r) {
		// The soak begins anew. The bake goes on while most nodes serve: in a large group some node is always about to join or to reconnect.
		r.SettleTime = time.Time{}
	}
	wait := r.Policy.deadline() - ages.Wave
	if wait <= 0 {
		return unhealthy(now, r, a, c, fmt.Sprintf("wave %d did not end within %s: %d of %d nodes serve the candidate%s%s",
			r.Wave, r.Policy.deadline(), c.Serving, c.InWave, c.missingReports(), because(c.failure)))
	}
	if !r.FailTime.IsZero() {
		if ages.Fail >= failureGrace && c.Failed > c.tolerated(r) {
			return unhealthy(now, r, a, c, fmt.Sprintf("%d of %d nodes in wave %d could not load the candidate%s", c.Failed, c.InWave, r.Wave,
				because(c.failure)))
		}
		wait = min(wait, max(failureGrace-ages.Fail, 0))
	}
	if newer {
		wait = min(wait, max(stuckAfter-ages.Idle, time.Second))
	}
	if threshold := raise(r, a, c, ages.Fail >= failureGrace); threshold > a.Threshold {
		r.leaveOut(in.Nodes, c, a.Threshold, threshold)
		more := within(c.fit, threshold) - within(c.fit, a.Threshold)
		a.Threshold = threshold
		r.Progress.InWave += more
		r.Progress.Loading += more
		return changed(before, r, &a, wait)
	}
	return changed(before, r, nil, wait)
}

// Unmanaged is the reason why a node whose gateway serves something that no snapshot brought is left out.
const Unmanaged = "unmanaged: its gateway would lose what it serves"

// leaveOutUnmanaged leaves the unmanaged nodes whose gateways would lose something by the candidate out of the verdict. It reports
// whether there are more of them than before.
func (r *Rollout) leaveOutUnmanaged(nodes []Node, kept Positions) bool {
	var more Positions
	for _, position := range kept {
		if !r.LeftOut.has(position) {
			more = append(more, position)
		}
	}
	for _, n := range nodes {
		if more.has(n.Position) && len(r.Absentees) < MaxAbsentees {
			r.Absentees = append(slices.Clip(r.Absentees), Absentee{Node: n.Name, Position: n.Position, Reason: Unmanaged})
		}
	}
	r.LeftOut = r.LeftOut.merge(more)
	return len(more) > 0
}

// leaveOut takes the sick nodes between two thresholds out of the verdict: what is wrong with them was so before the candidate came to
// them.
func (r *Rollout) leaveOut(nodes []Node, c counts, from, to uint64) {
	sick := sickOf(nodes, *r)
	if len(sick) == 0 || len(c.fit) == len(c.online) {
		return
	}
	var more Positions
	for _, position := range c.online {
		who, unwell := sick[position]
		if !unwell || position < from || position >= to && to != fleet.MaxPosition || r.LeftOut.has(position) {
			continue
		}
		more = append(more, position)
		if len(r.Absentees) < MaxAbsentees {
			r.Absentees = append(slices.Clip(r.Absentees), who)
		}
	}
	r.LeftOut = r.LeftOut.merge(more)
	r.Progress.LeftOut += len(more)
}

// ended is a rollout in its last state. The nodes that failed did not come to serve it, nor did those that were left out; those that said
// nothing count among them when they had their time. Who was suspected and not reached still is.
func ended(now time.Time, r Rollout, a Assignment, state State, c counts, hadTime bool) Rollout {
	r.State, r.EndTime, r.Progress = state, now, c.Progress
	// An unmanaged gateway is well: a later candidate may suit it.
	r.Unserved = c.failing.merge(c.absent).without(c.kept)
	if hadTime {
		r.Unserved = r.Unserved.merge(c.silent)
	}
	if a.Threshold != fleet.MaxPosition {
		r.Unserved = r.Unserved.merge(r.Suspects[within(r.Suspects, a.Threshold):])
	}
	var absentees []Absentee
	for _, who := range r.Absentees {
		if c.absent.has(who.Position) {
			absentees = append(absentees, who)
		}
	}
	r.Suspects, r.LeftOut, r.Absentees = nil, nil, absentees
	return r
}

// changed leaves out a rollout that differs in its counts alone: those live in the tallies until the end.
func changed(before, r Rollout, a *Assignment, wait time.Duration) Decision {
	d := Decision{Assignment: a, Wait: max(wait, 0)}
	if a != nil || before.State != r.State || len(before.Orders) != len(r.Orders) || before.Promoted != r.Promoted || before.Wave != r.Wave || !before.FailTime.Equal(r.FailTime) ||
		!before.WaveTime.Equal(r.WaveTime) ||
		!before.SettleTime.Equal(r.SettleTime) || len(before.LeftOut) != len(r.LeftOut) {
		d.Rollout = &r
	}
	return d
}

// refused halts on the first refusal in a wave. The candidate is taken back from every node that it had reached.
func refused(now time.Time, r Rollout, a Assignment, c counts) Decision {
	reason := fmt.Sprintf("%d node(s) refused the candidate", c.Refused)
	if len(c.refusals) > 0 {
		reason = fmt.Sprintf("node %s refused the candidate", c.refusals[0].Node)
		if c.Refused > 1 {
			reason = fmt.Sprintf("node %s and %d more refused the candidate", c.refusals[0].Node, c.Refused-1)
		}
	}
	r.Refusals, r.Pinning = c.refusals, pinningFor(r.Policy)
	return halt(ended(now, r, a, Halted, c, false), a, true, reason)
}

// unhealthy halts a rollout that nobody refused. Where most of the nodes that the candidate had reached serve it, it is good, and those
// that do not are sick: it stays where it is, and goes no further. Else it is taken back.
func unhealthy(now time.Time, r Rollout, a Assignment, c counts, reason string) Decision {
	withdrawn := !c.proven(r)
	if !withdrawn {
		reason += fmt.Sprintf("; the %d that serve it keep it", c.Serving)
	}
	return halt(ended(now, r, a, Halted, c, true), a, withdrawn, reason)
}

// rollBack ends a rollout and takes the candidate back from every node that it had reached. What brought it is to be pinned.
func rollBack(now time.Time, r Rollout, a Assignment, c counts, reason string) Decision {
	r.Pinning = &Pinning{}
	return halt(ended(now, r, a, RolledBack, c, false), a, true, reason)
}

// halt writes what a halted rollout leaves: nodes that the candidate had not reached keep what they run.
func halt(r Rollout, a Assignment, withdrawn bool, reason string) Decision {
	next := Assignment{Stable: a.Stable, Held: a.left(withdrawn)}
	r.Reason, r.Fallback = reason, next.revisions()
	return Decision{Rollout: &r, Assignment: &next}
}

// missingReports tells what is missing when counts do not decide.
func (c counts) missingReports() string {
	if c.current {
		return ""
	}
	return ", and not every replica says which of its nodes serve it now"
}

func because(failure string) string {
	if failure == "" {
		return ""
	}
	return ": " + failure
}

// raise returns the threshold that includes as many nodes of the wave as may load now.
func raise(r Rollout, a Assignment, c counts, waited bool) uint64 {
	want := r.Policy.size(r.Wave, len(c.fit))
	last := r.Wave == r.Policy.WaveCount()
	have := within(c.fit, a.Threshold)
	limit := r.Policy.maxLoading(len(c.fit))
	free := limit - c.loadingOffline - (c.held() - c.excused(r, waited))
	// Small steps would cost a write and a recount each.
	if free <= 0 || have > 0 && free < limit/4 && have+free < want {
		return a.Threshold
	}
	next := min(have+free, want)
	switch {
	case next >= want && last:
		return fleet.MaxPosition
	case next <= have || next == 0:
		return a.Threshold
	}
	return max(a.Threshold, c.fit[next-1]+1)
}

// within counts positions under a threshold; positions are sorted.
func within(positions []uint64, threshold uint64) int {
	at, _ := slices.BinarySearch(positions, threshold)
	return at
}
