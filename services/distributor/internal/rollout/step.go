package rollout

import (
	"fmt"
	"slices"
	"time"
)

// A step is one decision about an open rollout. Rules change its rollout and its assignment. A rule that returns a decision ends it.
type step struct {
	now    time.Time
	in     Input
	newer  bool // a newer revision waits for the end of this rollout
	before Rollout
	r      Rollout
	a      Assignment
	c      counts
	ages   Ages
	gates  []GateResult // of the present wave
	wait   time.Duration
}

// advance takes an open rollout as far as it goes now. Newer is true when a newer revision waits for its end.
func advance(now time.Time, in Input, r Rollout, a Assignment, newer bool) Decision {
	s := &step{now: now, in: in, newer: newer, before: r, r: r, a: a, c: count(in, r, a), ages: in.Ages}
	if s.r.leaveOutUnmanaged(in.Nodes, s.c.kept) {
		s.c = count(in, s.r, a)
	}
	s.r.Progress = s.c.Progress
	for _, rule := range []func() *Decision{
		s.refusals, s.orders, s.takeover, s.presence, s.pause, s.judge, s.label, s.waves, s.deadline, s.failures,
	} {
		if d := rule(); d != nil {
			return *d
		}
	}
	return s.extend()
}

// last reports whether the present wave is the last one.
func (s *step) last() bool { return s.r.Wave == s.r.Policy.WaveCount() }

// waited reports whether too many failures lasted long enough to count.
func (s *step) waited() bool { return s.ages.Fail >= failureGrace }

// asIs ends the step with the rollout as it is now.
func (s *step) asIs(wait time.Duration) *Decision {
	d := changed(s.before, s.r, nil, wait)
	return &d
}

// refusals halts the rollout on the first refusal in a wave. The candidate is taken back from every node.
func (s *step) refusals() *Decision {
	if s.c.Refused == 0 {
		return nil
	}
	reason := fmt.Sprintf("%d node(s) refused the candidate", s.c.Refused)
	if len(s.c.refusals) > 0 {
		reason = fmt.Sprintf("node %s refused the candidate", s.c.refusals[0].Node)
		if s.c.Refused > 1 {
			reason = fmt.Sprintf("node %s and %d more refused the candidate", s.c.refusals[0].Node, s.c.Refused-1)
		}
	}
	s.r.Refusals, s.r.Pinning = s.c.refusals, pinningFor(s.r.Policy)
	return s.end(ending{state: Halted, withdrawn: true}, reason)
}

// orders obeys the orders of operators.
func (s *step) orders() *Decision {
	if abort := s.r.obey(s.now, s.in.Orders.pending(s.r)); abort != nil {
		return s.rollBack(fmt.Sprintf("aborted by %s: %s", abort.Author, abort.Reason))
	}
	if !s.r.WaveTime.Equal(s.before.WaveTime) {
		s.ages = Ages{} // it was resumed
	}
	return nil
}

// takeover begins a rollout to the newest revision when that supersedes this one.
func (s *step) takeover() *Decision {
	if !s.newer || s.r.Paused {
		return nil
	}
	in := s.in
	in.Ages = s.ages
	how, ok := supersedes(in, s.r, s.a, s.c)
	if !ok {
		return nil
	}
	return s.superseded(how)
}

// superseded begins a rollout to the newest revision. The record of this one keeps what the step has found, and which orders it obeyed.
func (s *step) superseded(how takeover) *Decision {
	in := s.in
	in.Rollout, in.Ages = &s.r, s.ages
	d := begin(s.now, in, how)
	return &d
}

// presence waits for the first node. The clock of a wave starts with it.
func (s *step) presence() *Decision {
	if s.c.Online == 0 {
		s.r.State, s.r.FailTime, s.r.SettleTime = Waiting, time.Time{}, time.Time{}
		return s.asIs(0)
	}
	if s.r.State == Waiting {
		s.r.State, s.r.WaveTime, s.r.Wave, s.ages.Wave = Progressing, s.now, max(s.r.Wave, 1), 0
	}
	return nil
}

// pause stops here while an operator has paused the rollout.
func (s *step) pause() *Decision {
	if !s.r.Paused {
		return nil
	}
	s.r.State, s.r.FailTime, s.r.SettleTime = Paused, time.Time{}, time.Time{}
	return s.asIs(0)
}

// judge ends the rollout when a gate has failed.
func (s *step) judge() *Decision {
	if s.gates = s.in.judge(s.r); len(s.gates) > 0 {
		s.r.Gates = s.gates
	}
	if failed := failedGate(s.gates); failed != nil && !s.r.promoted() {
		return s.gateFailed(*failed)
	}
	return nil
}

// label waits for a node with the label of the first wave. The clock of the wave starts with it.
func (s *step) label() *Decision {
	if !s.c.nobody(s.r, s.a) || s.r.promoted() {
		return nil
	}
	s.r.State, s.r.FailTime, s.r.SettleTime = Waiting, time.Time{}, time.Time{}
	s.r.Wave, s.r.WaveTime = s.before.Wave, s.before.WaveTime
	return s.asIs(0)
}

// waves ends every wave that is complete and has soaked. After the last one the rollout is complete.
func (s *step) waves() *Decision {
	switch {
	case !s.c.troubled(s.r):
		s.r.FailTime, s.ages.Fail = time.Time{}, 0
	case s.r.FailTime.IsZero():
		s.r.FailTime, s.ages.Fail = s.now, 0
	}
	for s.c.settled(s.r, s.a, s.waited()) || s.c.nobody(s.r, s.a) && s.r.promoted() {
		if d := s.soak(); d != nil {
			return d
		}
		switch {
		case s.last():
			r := ended(s.now, s.r, s.a, Completed, s.c, true)
			return &Decision{Rollout: &r, Assignment: &Assignment{Stable: s.r.Candidate}}
		case s.mayTakeOver():
			return s.superseded(takeover{atGate: true})
		}
		s.r.Wave++
		s.r.State, s.r.WaveTime, s.r.FailTime, s.r.SettleTime = Progressing, s.now, time.Time{}, time.Time{}
		s.ages, s.gates = Ages{}, nil
	}
	if s.r.State == Soaking {
		// A node of the wave stopped serving, or its replica has not reported. The rollout waits for it, and the wave's deadline starts again.
		s.r.State, s.r.WaveTime, s.ages.Wave = Progressing, s.now, 0
	}
	if !s.last() || !s.c.proven(s.r) {
		// The soak starts again. The bake goes on while most nodes serve: in a large group some node is always joining or reconnecting.
		s.r.SettleTime = time.Time{}
	}
	return nil
}

// soak returns a decision while the present wave soaks, or when its gates stay inconclusive; nil when the wave is over.
func (s *step) soak() *Decision {
	soak := s.r.Policy.soak(s.r.Wave)
	if soak <= 0 || s.r.promoted() {
		return nil
	}
	s.r.State = Soaking
	if s.r.SettleTime.IsZero() {
		s.r.SettleTime, s.ages.Settle = s.now, 0
	}
	if s.goOn() {
		return nil
	}
	if left := soak - s.ages.Settle; left > 0 {
		return s.asIs(left)
	}
	return s.inconclusive(s.ages.Settle - soak)
}

// deadline halts a rollout whose wave takes too long.
func (s *step) deadline() *Decision {
	if s.wait = s.r.Policy.deadline() - s.ages.Wave; s.wait > 0 {
		return nil
	}
	return s.unhealthy(fmt.Sprintf("wave %d did not end within %s: %d of %d nodes serve the candidate%s%s",
		s.r.Wave, s.r.Policy.deadline(), s.c.Serving, s.c.InWave, s.c.missingReports(), because(s.c.failure)))
}

// failures halts a rollout in which too many nodes fail for too long.
func (s *step) failures() *Decision {
	if s.r.FailTime.IsZero() {
		return nil
	}
	if s.waited() && s.c.Failed > s.c.tolerated(s.r) {
		return s.unhealthy(fmt.Sprintf("%d of %d nodes in wave %d could not load the candidate%s", s.c.Failed, s.c.InWave, s.r.Wave,
			because(s.c.failure)))
	}
	s.wait = min(s.wait, max(failureGrace-s.ages.Fail, 0))
	return nil
}

// extend reaches for more nodes of the wave, so that they load.
func (s *step) extend() Decision {
	if s.newer {
		s.wait = min(s.wait, max(stuckAfter-s.ages.Idle, time.Second))
	}
	grow := raise
	if s.r.Policy.chooses() {
		grow = choose
	}
	next := grow(s.r, s.a, s.c, s.waited())
	if s.a.covers(next) {
		return changed(s.before, s.r, nil, s.wait)
	}
	s.r.leaveOut(s.in.Nodes, s.c, s.a.Reach, next)
	more := next.count(s.c.fit) - s.a.count(s.c.fit)
	if !s.a.without().runs(s.a.Candidate.Digest, whole) {
		s.r.LoadTime = s.now
	}
	s.a.Reach = next
	s.r.Progress.InWave += more
	s.r.Progress.Loading += more
	return changed(s.before, s.r, &s.a, s.wait)
}

// changed returns the decision that writes a rollout. One that differs in its counts alone is not written: the tallies hold them until the
// end.
func changed(before, r Rollout, a *Assignment, wait time.Duration) Decision {
	d := Decision{Assignment: a, Wait: max(wait, 0)}
	same := before.State == r.State && before.Wave == r.Wave && before.Promoted == r.Promoted &&
		slices.Equal(before.Orders, r.Orders) && len(before.LeftOut) == len(r.LeftOut) &&
		before.FailTime.Equal(r.FailTime) && before.WaveTime.Equal(r.WaveTime) && before.SettleTime.Equal(r.SettleTime)
	if a != nil || !same {
		d.Rollout = &r
	}
	return d
}

// raise returns the reach that includes as many nodes of the wave as may load now.
func raise(r Rollout, a Assignment, c counts, waited bool) Reach {
	want := c.wanted(r, a)
	last := r.Wave == r.Policy.WaveCount()
	have := a.count(c.fit)
	limit := c.atOnce(r)
	free := limit - len(c.loadingOffline) - (c.held() - c.excused(r, waited))
	// Small steps would cost a write and a recount each.
	if free <= 0 || have > 0 && free < limit/4 && have+free < want {
		return a.Reach
	}
	next := min(have+free, want)
	switch {
	case next >= want && last:
		return whole
	case next <= have || next == 0:
		return a.Reach
	}
	return Reach{Threshold: max(a.Threshold, c.fit[next-1]+1)}
}
