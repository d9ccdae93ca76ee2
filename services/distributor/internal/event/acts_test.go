package event_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

func TestADrainIsToldWhenItChangesWhatGatewaysDo(t *testing.T) {
	names := func(hosts ...string) (all []target.Name) {
		for _, h := range hosts {
			all = append(all, target.Name{Upstream: "pool", Target: h + ":80"})
		}
		return all
	}
	var set targets.Set
	for _, tt := range []struct {
		name string
		by   targets.Change
		want string
	}{
		{"one", targets.Change{Owner: "operator", Add: names("a")}, `TargetsDrained target a:80 of upstream pool: target a:80 of upstream pool ` +
			`is taken out of every gateway by olga for owner "operator": why`},
		{"another owner too", targets.Change{Owner: "robot", Add: names("a")}, ""},
		{"one owner less", targets.Change{Owner: "operator", Remove: names("a")}, ""},
		{"a whole set", targets.Change{Owner: "robot", Replace: true, Add: names("e", "d", "c", "b")},
			`TargetsUndrained target a:80 of upstream pool: target a:80 of upstream pool is let in again by olga for owner "robot": why; ` +
				`TargetsDrained target b:80 of upstream pool: target b:80 of upstream pool, target c:80 of upstream pool, ` +
				`target d:80 of upstream pool, 1 more are taken out of every gateway by olga for owner "robot": why`},
	} {
		by := tt.by
		by.Author, by.Reason, by.Time = "olga", "why", now
		next, _, _ := set.Apply(by)
		got := ""
		for i, e := range event.Drained("g", by, set, next) {
			if i > 0 {
				got += "; "
			}
			got += fmt.Sprintf("%s %s: %s", e.Reason, e.Subject, e.Message)
			if e.Group != "g" || !e.Time.Equal(now) || e.Author != "olga" || !e.Reason.Known() {
				t.Errorf("%s: it tells %+v", tt.name, e)
			}
		}
		if got != tt.want {
			t.Errorf("%s: it tells\n%s, want\n%s", tt.name, got, tt.want)
		}
		set = next
	}
}

func TestARecoveryIsAnEventOfEachGroup(t *testing.T) {
	e := event.Recovered(now, 4, "olga", "restored a snapshot")
	if e.Reason != event.LedgerRecovered || e.Group != "" || e.Author != "olga" || !e.Reason.Known() {
		t.Errorf("it tells %+v", e)
	}
	if f := (event.Filter{Groups: []fleet.GroupID{"edge"}}); !f.Has(e) || f.Has(event.Event{Group: "other"}) {
		t.Error("a reader of one group misses it, or reads those of others")
	}
}

func TestAClosedWindowIsToldOnceAndItsOpening(t *testing.T) {
	until := time.Date(2026, 12, 1, 22, 0, 0, 0, time.UTC)
	see := func(newest, holds fleet.Revision, until time.Time) event.Seen {
		return event.Seen{Head: event.Head{Revision: newest}, Window: event.Window{Holds: holds, Until: until}}
	}
	const closed = "WindowClosed 7: revision 7 waits: no change window is open until Tue 2026-12-01 22:00 UTC"
	told := event.Told{Revision: 9} // so that commits tell nothing
	for _, tt := range []struct {
		name string
		seen event.Seen
		want string
	}{
		{"a closed window holds nothing", see(7, 0, until), ""},
		{"it holds a revision", see(7, 7, until), closed},
		{"and a newer one", see(9, 9, until), ""},
		{"it opens", see(9, 0, time.Time{}), "WindowOpened 9: a change window is open: revision 9, the newest, waits for it no longer"},
		{"it closes again", see(7, 7, until), closed},
		{"an operator promotes", see(7, 0, until), ""},
		{"it opens for nothing", see(7, 0, time.Time{}), ""},
	} {
		next, all := event.Tell(now, "g", told, tt.seen)
		got := ""
		for _, e := range all {
			got += fmt.Sprintf("%s %d: %s", e.Reason, e.Revision, e.Message)
		}
		if got != tt.want {
			t.Errorf("%s: it tells %q, want %q", tt.name, got, tt.want)
		}
		if again, more := event.Tell(now, "g", next, tt.seen); len(more) > 0 || !again.Equal(next) {
			t.Errorf("%s: told again: %v", tt.name, more)
		}
		told = next
		told.Revision = 9
	}
}
