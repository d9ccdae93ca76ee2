package status

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTimesAreCorrectedWhenTheWallClockIsSet(t *testing.T) {
	began := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	const elapsed = time.Minute
	for _, tt := range []struct {
		name string
		now  time.Time
		want time.Time
	}{
		{"nobody touched it", began.Add(elapsed), began},
		{"it drifts", began.Add(elapsed + time.Second), began},
		{"set forward by a year", began.Add(elapsed).AddDate(1, 0, 0), began.AddDate(1, 0, 0)},
		{"set back by an hour", began.Add(elapsed - time.Hour), began.Add(-time.Hour)},
	} {
		if got := corrected(began, tt.now, elapsed); !got.Equal(tt.want) {
			t.Errorf("%s: began %v, want %v", tt.name, got, tt.want)
		}
	}
	now := time.Now()
	if got := corrected(now.Add(-time.Hour), now, time.Minute); !strings.Contains(got.String(), " m=") {
		t.Errorf("%v lost the reading of the monotonic clock", got)
	}
}

func TestEventsAreBounded(t *testing.T) {
	b := New(View{})
	now := time.Now()
	for i := range 3 * MaxEvents {
		b.Record("Kind", fmt.Sprint(i), now.Add(time.Duration(i)*time.Millisecond))
	}
	all := b.View().Events
	if len(all) != MaxEvents || all[0].Message != fmt.Sprint(2*MaxEvents) || all[MaxEvents-1].Message != fmt.Sprint(3*MaxEvents-1) {
		t.Errorf("%d are kept: %v", len(all), all)
	}
	all[0].Message = "changed"
	if b.View().Events[0].Message == "changed" {
		t.Error("a view shares its events with the board")
	}
}
