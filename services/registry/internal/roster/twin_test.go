package roster_test

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func TestATwinIsToldOfForAWhile(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(boot string, after time.Duration) roster.Twin {
		return roster.Twin{BootID: boot, From: "10.0.0.2", Since: start.Add(after), Last: start.Add(after)}
	}
	node, more := roster.Node{BootID: "1"}.Meet(at("2", 0))
	if !more || node.Duplicate(start) == nil {
		t.Fatal("the first attempt is not noted")
	}
	if _, more := node.Meet(at("2", roster.TwinWritten-1)); more {
		t.Error("each attempt is written")
	}
	if _, more := node.Meet(at("1", time.Minute)); more {
		t.Error("the enrolled agent is its own twin")
	}
	if other, more := node.Meet(at("3", 1)); !more || other.Twin.BootID != "3" || !other.Twin.Since.Equal(start.Add(1)) {
		t.Errorf("a third agent is not noted: %+v", other.Twin)
	}
	node, more = node.Meet(at("2", roster.TwinWritten))
	if !more || !node.Twin.Since.Equal(start) {
		t.Errorf("the second attempt: %+v", node.Twin)
	}
	last := start.Add(roster.TwinWritten)
	if node.Duplicate(last.Add(roster.TwinShown-1)) == nil || node.Duplicate(last.Add(roster.TwinShown)) != nil {
		t.Error("the twin is not forgotten in time")
	}
	// It stays when the enrolled agent enrols again, and ends when the twin gets the name.
	for boot, stays := range map[string]bool{"1": true, "2": false} {
		after, _, err := roster.Enrol(last, roster.Key{}, &node, nil, roster.Node{BootID: boot}, roster.Session{BootID: boot})
		if err != nil || (after.Twin != nil) != stays {
			t.Errorf("after an enrolment of boot %s: %+v, %v", boot, after.Twin, err)
		}
	}
}
