package roster_test

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func TestADuplicateIsReportedForAWhile(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(boot string, after time.Duration) roster.DuplicateAgent {
		return roster.DuplicateAgent{BootID: boot, From: "10.0.0.2", Since: start.Add(after), Last: start.Add(after)}
	}
	node, more := roster.Node{BootID: "1"}.WithDuplicate(at("2", 0))
	if !more || node.ActiveDuplicate(start) == nil {
		t.Fatal("the first attempt is not noted")
	}
	if _, more := node.WithDuplicate(at("2", roster.DuplicateWriteInterval-1)); more {
		t.Error("each attempt is written")
	}
	if _, more := node.WithDuplicate(at("1", time.Minute)); more {
		t.Error("the enrolled agent is its own duplicate")
	}
	other, more := node.WithDuplicate(at("3", 1))
	if !more || other.LastDuplicate.BootID != "3" || !other.LastDuplicate.Since.Equal(start.Add(1)) {
		t.Errorf("a third agent is not noted: %+v", other.LastDuplicate)
	}
	node, more = node.WithDuplicate(at("2", roster.DuplicateWriteInterval))
	if !more || !node.LastDuplicate.Since.Equal(start) {
		t.Errorf("the second attempt: %+v", node.LastDuplicate)
	}
	last := start.Add(roster.DuplicateWriteInterval)
	if node.ActiveDuplicate(last.Add(roster.DuplicateShown-1)) == nil || node.ActiveDuplicate(last.Add(roster.DuplicateShown)) != nil {
		t.Error("the duplicate is not forgotten in time")
	}
	// It stays when the enrolled agent enrols again, and ends when the duplicate gets the name.
	for boot, stays := range map[string]bool{"1": true, "2": false} {
		after, _, err := roster.Enrol(last, roster.Key{}, &node, nil, roster.Node{BootID: boot}, roster.Session{BootID: boot})
		if err != nil || (after.LastDuplicate != nil) != stays {
			t.Errorf("after an enrolment of boot %s: %+v, %v", boot, after.LastDuplicate, err)
		}
	}
}
