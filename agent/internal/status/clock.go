package status

import "time"

// tolerance is how far the wall clock may run from the monotonic one unnoticed, so that what is reported does not change all
// the time.
const tolerance = 2 * time.Second

// correctTimes corrects what was noted before the wall clock was set to another time. The caller holds the lock.
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

// corrected returns when something began, in the time of the wall clock now, of which so much has elapsed by the monotonic clock.
func corrected(began, now time.Time, elapsed time.Duration) time.Time {
	byWall := now.Round(0).Sub(began.Round(0))
	if shift := byWall - elapsed; shift.Abs() <= tolerance {
		return began
	}
	return now.Add(-elapsed)
}
