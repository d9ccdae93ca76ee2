package event_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

func TestWhatIsSeenIsToldOnce(t *testing.T) {
	pin := func(source fleet.SourceID, at int) event.Pin {
		return event.Pin{Source: source, Time: now.Add(time.Duration(at)), Rollout: "00000003", Author: "silverback", Reason: "gate failed"}
	}
	head := func(n fleet.Revision, pins ...event.Pin) event.Seen {
		return event.Seen{Head: event.Head{Revision: n, Source: "team-a", Author: "ada", Message: "ticket 9", Pins: pins, SaysPins: true}}
	}
	marked := func(s event.Seen, nodes ...fleet.NodeID) event.Seen {
		for _, n := range nodes {
			s.Quarantined = append(s.Quarantined, event.Mark{Node: n, Reason: "bad disk"})
		}
		return s
	}
	var told event.Told
	for _, tt := range []struct {
		name string
		seen event.Seen
		want string // reasons and messages
	}{
		{"nothing yet", event.Seen{}, ""},
		{"a revision", head(1), `RevisionCommitted: revision 1 is committed, by source "team-a" of ada: ticket 9`},
		{"the same again", head(1), ""},
		{"some were not seen", head(4),
			`RevisionCommitted: revision 4 is committed, by source "team-a" of ada; 2 other(s) since revision 1: ticket 9`},
		{"a source is pinned by a new revision", head(5, pin("team-a", 1)),
			`RevisionCommitted: revision 5 is committed, by source "team-a" of ada: ticket 9; ` +
				`SourcePinned: source "team-a" is pinned by rollout 00000003: gate failed`},
		{"a translator of an older version says nothing of pins", event.Seen{Head: event.Head{Revision: 5}}, ""},
		{"pinned anew, and another one", head(5, pin("team-a", 2), pin("team-b", 1)),
			`SourcePinned: source "team-a" is pinned by rollout 00000003: gate failed; ` +
				`SourcePinned: source "team-b" is pinned by rollout 00000003: gate failed`},
		{"unpinned", head(5, pin("team-b", 1)), `SourceUnpinned: source "team-a" is no longer pinned`},
		{"a restored translator has an older revision", head(2, pin("team-b", 1)), ""},
		{"a node is in quarantine", marked(head(2, pin("team-b", 1)), "n1"), "NodeQuarantined: node n1 is in quarantine: bad disk"},
		{"five more, one less", marked(head(2, pin("team-b", 1)), "n6", "n2", "n3", "n4", "n5"),
			"NodeQuarantined: nodes n2, n3, n4, 2 more are in quarantine: bad disk; NodeReleased: node n1 is no longer in quarantine"},
	} {
		next, all := event.Tell(now, "g", told, tt.seen)
		got := ""
		for i, e := range all {
			if i > 0 {
				got += "; "
			}
			got += fmt.Sprintf("%s: %s", e.Reason, e.Message)
			if e.Group != "g" || !e.Time.Equal(now) || !e.Reason.Known() {
				t.Errorf("%s: it tells %+v", tt.name, e)
			}
		}
		if got != tt.want {
			t.Errorf("%s: it tells\n%s, want\n%s", tt.name, got, tt.want)
		}
		if again, more := event.Tell(now, "g", next, tt.seen); len(more) > 0 || !again.Equal(next) {
			t.Errorf("%s: told again: %v", tt.name, more)
		}
		told = next
	}
}

func TestNodesOfAnEventAreBounded(t *testing.T) {
	var s event.Seen
	for i := range 2000 {
		s.Quarantined = append(s.Quarantined, event.Mark{Node: fleet.NodeID(fmt.Sprintf("n%04d", i))})
	}
	told, all := event.Tell(now, "g", event.Told{}, s)
	if len(all) != 1 || len(all[0].Nodes) != event.MaxNodes || all[0].NodeCount != 1024 || len(told.Quarantined) != 1024 {
		t.Errorf("it tells %d events, %d nodes of %d", len(all), len(all[0].Nodes), all[0].NodeCount)
	}
}

func TestDriftIsToldWhenItLasts(t *testing.T) {
	var d event.Damper
	var told []fleet.NodeID
	at := now
	step := func(after time.Duration, seen ...fleet.NodeID) (event.Reason, int, time.Duration) {
		at = at.Add(after)
		var marks []event.Mark
		for _, n := range seen {
			marks = append(marks, event.Mark{Node: n})
		}
		settled, wait := d.Settle(at, told, marks)
		next, all := event.Tell(at, "g", event.Told{Drifted: told}, event.Seen{Drifted: settled})
		told = next.Drifted
		if len(all) == 0 {
			return "", 0, wait
		}
		return all[0].Reason, all[0].NodeCount, wait
	}
	for i, tt := range []struct {
		after time.Duration
		seen  []fleet.NodeID
		want  event.Reason
		count int
		wait  time.Duration
	}{
		{0, []fleet.NodeID{"a"}, "", 0, event.Damping},
		{10 * time.Second, nil, "", 0, 0}, // it was healed at once
		{time.Second, []fleet.NodeID{"a"}, "", 0, event.Damping},
		{20 * time.Second, []fleet.NodeID{"a", "b"}, "", 0, 10 * time.Second},
		{10 * time.Second, []fleet.NodeID{"a", "b"}, event.NodeDrifted, 1, 0},
		{20 * time.Second, []fleet.NodeID{"a", "b"}, "", 0, 10 * time.Second}, // b has lasted, but not since the last event
		{10 * time.Second, []fleet.NodeID{"a", "b"}, event.NodeDrifted, 1, 0},
		{time.Second, []fleet.NodeID{"b"}, "", 0, event.Damping},
		{event.Damping, nil, event.NodeDriftHealed, 1, 0},
		{event.Damping, nil, event.NodeDriftHealed, 1, 0},
	} {
		if reason, count, wait := step(tt.after, tt.seen...); reason != tt.want || count != tt.count || wait != tt.wait {
			t.Errorf("step %d tells %q of %d nodes and waits %s", i, reason, count, wait)
		}
	}
}

func TestAFreezeIsTold(t *testing.T) {
	all := event.Ordered(now, "g", order(rollout.Freeze, false))
	all = append(all, event.Ordered(now, "g", order(rollout.Unfreeze, false))...)
	all = append(all, event.Ordered(now, "g", order(rollout.Pause, false))...)
	if reasons(all) != "GroupFrozen GroupUnfrozen" || all[0].Author != "olga" ||
		all[0].Message != "olga froze the group: no rollout begins; because" {
		t.Errorf("it tells %+v", all)
	}
}

func TestSequencesAreOrdered(t *testing.T) {
	last := event.Sequence(0)
	for _, s := range []event.Sequence{event.SequenceAt(0, 1, 0), event.SequenceAt(0, 1, 255), event.SequenceAt(0, 2, 0),
		event.SequenceAt(0, 1<<39, 3), event.SequenceAt(1, 2, 0), event.SequenceAt(4000, 1, 0)} {
		if s <= last {
			t.Errorf("%d does not come after %d", s, last)
		}
		last = s
	}
	if s := event.SequenceAt(3, 77, 5); s.Epoch() != 3 || s.Revision() != 77 || event.LastUpTo(3, 77) < s || event.LastUpTo(3, 76) >= s {
		t.Errorf("%d is of epoch %d and revision %d", s, s.Epoch(), s.Revision())
	}
}

func TestAFilterChooses(t *testing.T) {
	e := event.Event{Group: "g", Reason: event.WaveStarted}
	for i, tt := range []struct {
		f    event.Filter
		want bool
	}{
		{event.Filter{}, true},
		{event.Filter{Groups: []fleet.GroupID{"h", "g"}}, true},
		{event.Filter{Groups: []fleet.GroupID{"h"}}, false},
		{event.Filter{Reasons: []event.Reason{event.WavePassed}}, false},
		{event.Filter{Groups: []fleet.GroupID{"g"}, Reasons: []event.Reason{event.WaveStarted}}, true},
	} {
		if tt.f.Has(e) != tt.want {
			t.Errorf("filter %d chooses %v", i, !tt.want)
		}
	}
}
