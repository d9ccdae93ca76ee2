package rollout

import "fmt"

// atOnce returns the share of the group's targets that moved at most, in percent, when the newest revision may go to all nodes in one
// wave, without a soak and outside of change windows: nothing but targets differs from all that an assignment lets nodes run, within the
// bound of the policy, and the rollout before completed or reached nobody. What follows a halt or a rollback has its waves, and so has what
// takes the place of a rollout that is under way: it brings the change of that one, too.
func (in Input) atOnce(a Assignment) (share float64, ok bool) {
	if in.Policy.TargetsAtOnce <= 0 || a.Stable.IsZero() || !in.settledBefore() {
		return 0, false
	}
	if share, ok = in.moved(a.Stable); !ok {
		return 0, false
	}
	for _, h := range a.Held {
		more, ok := in.moved(h.Target)
		if !ok {
			return 0, false
		}
		share = max(share, more)
	}
	return share, true
}

// settledBefore reports whether nobody moves and nothing was taken back.
func (in Input) settledBefore() bool {
	r, a := in.Rollout, in.Assignment
	if r == nil || a == nil || a.Epoch != in.Epoch {
		return false
	}
	return r.State == Completed || r.State.Open() && a.Rollout == r.ID && a.Reach.IsZero()
}

// moved returns the share of targets that moved at most since a revision, in percent, and whether nothing else changed and the policy
// lets so many go at once.
func (in Input) moved(since Target) (share float64, within bool) {
	share, only := in.Newest.Streak.Share(since.Streak)
	return share, only && share <= float64(in.Policy.TargetsAtOnce)
}

// goOn reports whether the watch of a rollout that goes at once ends now, because the next one that does waits for it: a row of changed
// targets never waits for a watch.
func (s *step) goOn() bool {
	if !s.r.AtOnce || !s.in.waits() || s.in.intervalLeft() > 0 {
		return false
	}
	_, within := s.in.moved(s.r.Candidate)
	return within
}

// onlyTargets is the reason of a rollout that goes at once.
func onlyTargets(share float64) string {
	if share == 0 {
		return "only targets change, and none moves: to all at once"
	}
	return fmt.Sprintf("only targets change, at most %.2g %% of the group's: to all at once", share)
}
