package window

import (
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, want string // the field; empty: valid
		window     fleet.Window
	}{
		{"nights of working days", "", fleet.Window{Schedule: "0 22 * * 1-5", Duration: 4 * time.Hour, TimeZone: "Europe/Berlin"}},
		{"leap days", "", fleet.Window{Schedule: "0 0 29 2 *", Duration: time.Hour}},
		{"a day that never comes", "schedule", fleet.Window{Schedule: "0 0 30 2 *", Duration: time.Hour}},
		{"six fields", "schedule", fleet.Window{Schedule: "0 0 22 * * 1", Duration: time.Hour}},
		{"a shorthand", "schedule", fleet.Window{Schedule: "@daily", Duration: time.Hour}},
		{"a zone within the schedule", "schedule", fleet.Window{Schedule: "TZ=UTC 22 * * 1", Duration: time.Hour}},
		{"hour 24", "schedule", fleet.Window{Schedule: "0 24 * * *", Duration: time.Hour}},
		{"much text", "schedule", fleet.Window{Schedule: strings.Repeat("1,", 100) + "1 22 * * 1", Duration: time.Hour}},
		{"no time", "duration", fleet.Window{Schedule: "0 22 * * *"}},
		{"more than a week", "duration", fleet.Window{Schedule: "0 22 * * *", Duration: MaxDuration + 1}},
		{"the zone of the machine", "time_zone", fleet.Window{Schedule: "0 22 * * *", Duration: time.Hour, TimeZone: "Local"}},
		{"a file", "time_zone", fleet.Window{Schedule: "0 22 * * *", Duration: time.Hour, TimeZone: "../../etc/localtime"}},
		{"an unknown zone", "time_zone", fleet.Window{Schedule: "0 22 * * *", Duration: time.Hour, TimeZone: "Mars/Olympus"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			field, err := Check(tt.window)
			if field != tt.want || (err != nil) != (tt.want != "") {
				t.Errorf("field %q, error %v; want field %q", field, err, tt.want)
			}
		})
	}
}

func TestOpens(t *testing.T) {
	nights := fleet.Window{Schedule: "0 22 * * 1-5", Duration: 4 * time.Hour, TimeZone: "Europe/Berlin"}
	noon := fleet.Window{Schedule: "0 12 * * *", Duration: time.Hour}
	for _, tt := range []struct {
		name, now, want string // UTC; want empty: open
		windows         []fleet.Window
	}{
		{"no window is always open", "2026-11-30 10:00", "", nil},
		{"before, in the zone of the window", "2026-11-30 20:59", "2026-11-30 21:00", []fleet.Window{nights}},
		{"at its first moment", "2026-11-30 21:00", "", []fleet.Window{nights}},
		{"after midnight", "2026-12-01 00:59", "", []fleet.Window{nights}},
		{"at its end it is closed", "2026-12-01 01:00", "2026-12-01 21:00", []fleet.Window{nights}},
		{"over the weekend", "2026-12-05 10:00", "2026-12-07 21:00", []fleet.Window{nights}},
		{"in summer time", "2026-07-01 19:30", "2026-07-01 20:00", []fleet.Window{nights}},
		{"the first of two", "2026-11-30 10:00", "2026-11-30 12:00", []fleet.Window{nights, noon}},
		{"the second of two is open", "2026-11-30 12:30", "", []fleet.Window{nights, noon}},
		{"one that cannot be read never opens", "2026-11-30 10:00", "2026-11-30 12:00",
			[]fleet.Window{{Schedule: "now", Duration: time.Hour}, noon}},
		{"nor do several", "2026-11-30 10:00", "2026-12-07 10:00", []fleet.Window{{Schedule: "now"}, {Schedule: "0 1 * * *", TimeZone: "?"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now, err := time.Parse("2006-01-02 15:04", tt.now)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if at := Opens(now, tt.windows); !at.IsZero() {
				got = at.UTC().Format("2006-01-02 15:04")
			}
			if got != tt.want {
				t.Errorf("opens at %q, want %q", got, tt.want)
			}
		})
	}
}
