package rollout

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// LoadInterval returns the least time between the last load of one rollout and the first of the next: that of the policy, or else the
// default for the gateway whose load of the newest revision is forecast to take longest.
func (in Input) LoadInterval() time.Duration {
	if in.Policy.LoadInterval != nil {
		return *in.Policy.LoadInterval
	}
	if in.Newest.Size.IsZero() {
		return 0 // a revision of an older version does not say
	}
	longest := time.Duration(0)
	for _, n := range in.Nodes {
		if n.Online {
			longest = max(longest, n.Gateway.Serving(in.Newest.Size))
		}
	}
	return cost.Interval(longest)
}

// intervalLeft returns how long no rollout to the newest revision may begin, so that no gateway loads twice within the load interval. What
// follows a halt or a rollback does not wait: it is the remedy. Neither does content that the group runs already, nor what an operator
// promotes or retries.
func (in Input) intervalLeft() time.Duration {
	r := in.Rollout
	if r == nil || r.LoadTime.IsZero() || r.State == Halted || r.State == RolledBack {
		return 0
	}
	if _, hurried := in.Orders.begins(*r); hurried {
		return 0
	}
	if a := in.Assignment; a != nil && !r.State.Open() && a.without().runs(in.Newest.Digest, whole) {
		return 0
	}
	return max(in.LoadInterval()-in.Ages.Load, 0)
}

// Held returns until when the newest revision waits for a change window or the load interval, by the clock of the leader that wrote the
// record; false when it does not wait for that.
func Held(in Input) (until time.Time, held bool) {
	switch {
	case in.Rollout == nil || in.Rollout.State.Open() || !in.waits():
		return time.Time{}, false
	case in.closedFor() > 0:
		return in.Closed.Until, true
	case in.intervalLeft() > 0:
		return in.Rollout.LoadTime.Add(in.LoadInterval()), true
	}
	return time.Time{}, false
}

// HeldByWindow returns the revision that only an open change window lets begin, and until when; 0 when none waits for that.
func HeldByWindow(in Input) (fleet.Revision, time.Time) {
	if in.Rollout == nil || in.Rollout.State.Open() || !in.waits() || in.closedFor() == 0 {
		return 0, in.Closed.Until
	}
	return in.Newest.Revision, in.Closed.Until
}

// closedFor returns how long no rollout may begin for want of an open change window. The first rollout of a group needs none, and neither
// does what an operator promotes or retries, nor changed targets that may go at once.
func (in Input) closedFor() time.Duration {
	if in.Rollout == nil || in.Closed == (Closed{}) {
		return 0
	}
	if _, hurried := in.Orders.begins(*in.Rollout); hurried {
		return 0
	}
	if a := in.Assignment; a != nil {
		if _, routine := in.atOnce(*a); routine {
			return 0
		}
	}
	return max(in.Closed.For, time.Second)
}

// lastLoad returns the time of the last load that a rollout which follows another one must keep its distance from.
func lastLoad(before Rollout) time.Time {
	if before.State == Halted || before.State == RolledBack {
		return time.Time{}
	}
	return before.LoadTime
}

// mayTakeOver reports whether a newer revision may take over at the end of a wave: the first wave of its rollout takes on every node that
// the open one reached (see tookFrom), and the others all run the same, so that the group is on three revisions for no longer than that
// wave; and the load interval is over.
func (s *step) mayTakeOver() bool {
	return s.newer && !s.r.TookOver && len(s.a.left(false)) <= maxHolds && s.a.outside() <= 1 &&
		s.in.Policy.firstWave(s.c, s.a.Reach) && s.in.intervalLeft() == 0
}
