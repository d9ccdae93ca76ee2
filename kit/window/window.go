// Package window computes when the change windows of a group are open. It reads no clock.
package window

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // an image from scratch has no time zones

	"github.com/robfig/cron/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Bounds of a window.
const (
	MinDuration = time.Minute
	MaxDuration = 7 * 24 * time.Hour
	maxText     = 100 // of a schedule or a time zone
)

var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Check returns what is wrong with a window, by the name of the field. It returns nothing when the window is valid.
func Check(w fleet.Window) (field string, err error) {
	if _, err := zone(w); err != nil {
		return "time_zone", err
	}
	if w.Duration < MinDuration || w.Duration > MaxDuration {
		return "duration", fmt.Errorf("is %s; want %s to %s", w.Duration, MinDuration, MaxDuration)
	}
	schedule, err := parse(w)
	if err != nil {
		return "schedule", err
	}
	if schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return "schedule", fmt.Errorf("%q never comes", w.Schedule)
	}
	return "", nil
}

// Opens returns when the first of the windows opens. It is zero when one is open at that moment and when there are none. Windows that this
// version cannot parse stay closed: when there are no others, it is in a week.
func Opens(now time.Time, windows []fleet.Window) (next time.Time) {
	for _, w := range windows {
		schedule, err := parse(w)
		if err != nil {
			continue
		}
		location, err := zone(w)
		if err != nil {
			continue
		}
		at := schedule.Next(now.Add(-w.Duration).In(location)) // the first opening that is not over
		switch {
		case at.IsZero():
		case !at.After(now):
			return time.Time{}
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	if next.IsZero() && len(windows) > 0 {
		return now.Add(MaxDuration)
	}
	return next
}

func parse(w fleet.Window) (cron.Schedule, error) {
	if len(w.Schedule) > maxText || strings.Contains(w.Schedule, "=") || len(strings.Fields(w.Schedule)) != 5 {
		return nil, fmt.Errorf("%.20q is not five fields of cron: minute, hour, day of the month, month, day of the week, such as 0 22 * * 1-5",
			w.Schedule)
	}
	schedule, err := parser.Parse(w.Schedule)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", w.Schedule, err)
	}
	return schedule, nil
}

func zone(w fleet.Window) (*time.Location, error) {
	if len(w.TimeZone) > maxText || w.TimeZone == "Local" {
		return nil, errors.New("want the IANA name of a time zone, such as Europe/Berlin; empty is UTC")
	}
	location, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone; want an IANA name, such as Europe/Berlin; empty is UTC", w.TimeZone)
	}
	return location, nil
}
