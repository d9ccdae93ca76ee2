package status

import "time"

// tolerance is how far the wall clock may drift from the monotonic clock before times are corrected. It keeps reports from
// changing all the time.
const tolerance = 2 * time.Second

// correctTimes adjusts recorded times after the wall clock was set. The caller holds the lock.
func (t *Tracker) correctTimes(now time.Time) {
	for i := range t.view.Conditions {
		at := &t.view.Conditions[i].Since
		*at = corrected(*at, now, now.Sub(*at))
	}
	for i := range t.view.Events {
		at := &t.view.Events[i].Time
		*at = corrected(*at, now, now.Sub(*at))
	}
}

// corrected returns when something began, by the current wall clock; elapsed is by the monotonic clock.
func corrected(began, now time.Time, elapsed time.Duration) time.Time {
	byWall := now.Round(0).Sub(began.Round(0))
	if shift := byWall - elapsed; shift.Abs() <= tolerance {
		return began
	}
	return now.Add(-elapsed)
}
