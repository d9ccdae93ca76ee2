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
	Nodes      []Node      // all known nodes, in any order
	Tallies    []Tally     // of the newest rollout, one for each replica that has sessions
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
// never. What it was given is not modified. While nodes are ahead of the ledger it decides nothing for the group.
func Plan(now time.Time, in Input) Decision {
	if ahead := in.ahead(); len(ahead) > 0 {
		return hold(now, in, ahead)
	}
	return recovered(in, plan(now, in.released(), in.held()))
}

// plan is Plan without a look at the ledger's past. Held says that the rollout waited for the ledger until now.
func plan(now time.Time, in Input, held bool) Decision {
	switch {
	case !in.Newest.IsZero() && in.Newest.Revision > handled(in):
		return begin(now, in)
	case held && (in.Assignment == nil || in.Assignment.Rollout != in.Rollout.ID):
		return launch(now, in, *in.Rollout) // it was held before it began
	case in.Rollout == nil || !in.Rollout.State.Open() || in.Assignment == nil:
		return Decision{}
	}
	return advance(now, in, *in.Rollout, *in.Assignment)
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

// begin opens a rollout for the newest revision; what was open is superseded and hands on its stable revision.
func begin(now time.Time, in Input) Decision {
	var d Decision
	var a Assignment
	if in.Assignment != nil {
		a = *in.Assignment
	}
	underWay := !a.Candidate.IsZero()
	number := 1
	if in.Rollout != nil {
		_, _ = fmt.Sscanf(string(in.Rollout.ID), "%d", &number)
		number++
		if in.Rollout.State.Open() {
			old := *in.Rollout
			old.Progress = Count(in)
			old.State, old.EndTime = Superseded, now
			old.Reason = fmt.Sprintf("revision %d took its place", in.Newest.Revision)
			d.Ended = &old
		}
	}
	r := Rollout{
		Group: in.Group, ID: fleet.RolloutID(fmt.Sprintf("%08d", number)), Stable: a.Stable, Candidate: in.Newest,
		State: Waiting, Policy: in.Policy, CreateTime: now,
	}
	if a.Stable.Digest == in.Newest.Digest && !underWay {
		// The group is to run that content already: only the name moves, which needs no waves. It is complete when the nodes have said so.
		r.Policy.Waves, r.Policy.MaxLoading = []Wave{{Percent: wholeGroup}}, wholeGroup
		r.Reason = "the content is that of the stable revision"
	}
	next := launch(now, in, r)
	next.Ended = d.Ended
	return next
}

// launch gives a rollout its assignment.
func launch(now time.Time, in Input, r Rollout) Decision {
	a := Assignment{Stable: r.Stable, Candidate: r.Candidate, Rollout: r.ID}
	if in.Assignment != nil {
		a.Held = in.Assignment.hold()
	}
	in.Tallies = nil // they count another rollout
	next := advance(now, in, r, a)
	if next.Rollout == nil {
		next.Rollout = &r
	}
	if next.Assignment == nil {
		next.Assignment = &a
	}
	return next
}

// advance takes an open rollout as far as it goes now.
func advance(now time.Time, in Input, r Rollout, a Assignment) Decision {
	before := r
	c := count(in, a)
	r.Progress = c.Progress
	if d, over := refused(now, r, c); over {
		return d
	}
	if c.Online == 0 {
		r.State, r.FailTime = Waiting, time.Time{}
		return changed(before, r, nil, 0)
	}
	if r.State == Waiting {
		// The clock of a wave starts with its first node.
		r.State, r.WaveTime, r.Wave = Progressing, now, max(r.Wave, 1)
	}
	for c.settled(r, a) {
		if r.Wave == r.Policy.WaveCount() {
			r.State, r.EndTime = Completed, now
			return Decision{Rollout: &r, Assignment: &Assignment{Stable: r.Candidate}}
		}
		if soak := r.Policy.soak(r.Wave); soak > 0 {
			if r.State != Soaking {
				r.State, r.SettleTime, r.FailTime = Soaking, now, time.Time{}
			}
			if left := soak - now.Sub(r.SettleTime); left > 0 {
				return changed(before, r, nil, left)
			}
		}
		r.Wave++
		r.State, r.WaveTime, r.FailTime, r.SettleTime = Progressing, now, time.Time{}, time.Time{}
	}
	if r.State == Soaking {
		// A node came that does not serve yet, or nobody knows: it is waited for again, and watched anew. The wave has its time again.
		r.State, r.WaveTime, r.SettleTime = Progressing, now, time.Time{}
	}
	if left := r.Policy.deadline() - now.Sub(r.WaveTime); left <= 0 {
		return halt(now, r, fmt.Sprintf("wave %d did not end within %s: %d of %d nodes serve the candidate%s%s",
			r.Wave, r.Policy.deadline(), c.Serving, c.InWave, c.unsaid(), because(c.failure)))
	}
	if d, over := failed(now, &r, c); over {
		return d
	}
	wait := r.Policy.deadline() - now.Sub(r.WaveTime)
	if !r.FailTime.IsZero() {
		wait = min(wait, failureGrace-now.Sub(r.FailTime))
	}
	if threshold := raise(r, a, c); threshold > a.Threshold {
		more := within(c.online, threshold) - within(c.online, a.Threshold)
		a.Threshold = threshold
		r.Progress.InWave += more
		r.Progress.Loading += more
		return changed(before, r, &a, wait)
	}
	return changed(before, r, nil, wait)
}

// changed leaves out a rollout that differs in its counts alone: those live in the tallies until the end.
func changed(before, r Rollout, a *Assignment, wait time.Duration) Decision {
	d := Decision{Assignment: a, Wait: max(wait, 0)}
	if a != nil || before.State != r.State || before.Wave != r.Wave || before.FailTime != r.FailTime || before.WaveTime != r.WaveTime {
		d.Rollout = &r
	}
	return d
}

// refused halts on the first refusal in a wave.
func refused(now time.Time, r Rollout, c counts) (Decision, bool) {
	if c.Refused == 0 {
		return Decision{}, false
	}
	r.Refusals = c.refusals
	reason := fmt.Sprintf("%d node(s) refused the candidate", c.Refused)
	if len(c.refusals) > 0 {
		reason = fmt.Sprintf("node %s refused the candidate", c.refusals[0].Node)
		if c.Refused > 1 {
			reason = fmt.Sprintf("node %s and %d more refused the candidate", c.refusals[0].Node, c.Refused-1)
		}
	}
	return halt(now, r, reason), true
}

// failed halts when more nodes fail than the policy allows, once there is nobody else to wait for and the agents had
// time to try again.
func failed(now time.Time, r *Rollout, c counts) (Decision, bool) {
	if c.Failed == 0 || c.Failed <= c.tolerated(*r) || c.Serving+c.Failed < c.InWave {
		r.FailTime = time.Time{}
		return Decision{}, false
	}
	if r.FailTime.IsZero() {
		r.FailTime = now
	}
	if now.Sub(r.FailTime) < failureGrace {
		return Decision{}, false
	}
	return halt(now, *r, fmt.Sprintf("%d of %d nodes in wave %d could not load the candidate%s", c.Failed, c.InWave, r.Wave, because(c.failure))), true
}

// unsaid tells what is missing when counts do not decide.
func (c counts) unsaid() string {
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

// halt ends a rollout and takes the candidate back. Without a stable revision the assignment then says nothing.
func halt(now time.Time, r Rollout, reason string) Decision {
	r.State, r.EndTime, r.Reason = Halted, now, reason
	return Decision{Rollout: &r, Assignment: &Assignment{Stable: r.Stable}}
}

// raise returns the threshold that includes as many nodes of the wave as may load now.
func raise(r Rollout, a Assignment, c counts) uint64 {
	want := r.Policy.size(r.Wave, len(c.online))
	last := r.Wave == r.Policy.WaveCount()
	have := within(c.online, a.Threshold)
	limit := r.Policy.maxLoading(len(c.online))
	free := limit - c.astray - (c.InWave - c.Serving - min(c.Failed, c.tolerated(r)))
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
	return max(a.Threshold, c.online[next-1]+1)
}

// within counts positions under a threshold; positions are sorted.
func within(positions []uint64, threshold uint64) int {
	at, _ := slices.BinarySearch(positions, threshold)
	return at
}
