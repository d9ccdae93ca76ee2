package apply

import (
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// eventsBetween returns the events for operators that explain the difference between two states, oldest first. It is pure.
func eventsBetween(before, after State, now time.Time) []status.Event {
	var all []status.Event
	add := func(kind, format string, args ...any) {
		all = append(all, status.Event{Time: now, Type: kind, Message: fmt.Sprintf(format, args...)})
	}
	switch was, is := before.Gateway, after.Gateway; {
	case is.Observed && !is.Reachable && (was.Reachable || !was.Observed):
		add("GatewayAway", "the gateway does not answer")
	case is.Restarts > was.Restarts:
		add("GatewayRestarted", "the gateway was restarted or reloaded")
	case is.Reachable && !was.Reachable:
		add("GatewayFound", "the gateway answers")
	}
	was, is := before.Drift, after.Drift
	if conditionOf(is.Finding) != "" && (is.Finding != was.Finding || is.Found != was.Found) {
		add(conditionOf(is.Finding), "%s", after.driftMessage())
	}
	if conditionOf(was.Finding) != "" && is.Finding == drift.Same {
		kind := "GatewayRestored"
		if was.Finding == drift.Drifted {
			kind = "DriftHealed"
		}
		add(kind, "the gateway runs revision %d again, after %s; before: %s",
			after.Serving.Snapshot.Revision, now.Sub(was.FoundAt).Round(time.Millisecond), before.driftMessage())
	} else if after.Restore.Count > before.Restore.Count {
		add("GatewayRestored", "the gateway was given revision %d, the last known good", after.Serving.Snapshot.Revision)
	}
	if after.Serving.Loads > before.Serving.Loads {
		add("SnapshotServing", "the gateway serves revision %d", after.Serving.Snapshot.Revision)
	}
	wanted := after.Wanted
	if len(wanted.Problems) > 0 && len(before.Wanted.Problems) == 0 {
		add("SnapshotRefused", "revision %d: %s", wanted.Snapshot.Revision, (&verdict.Refusal{Problems: wanted.Problems}).Error())
	}
	if after.Stale != nil && (before.Stale == nil || *before.Stale != *after.Stale) {
		add("DecisionStale", "%s", after.Stale)
	}
	if wanted.Attempts > 0 && wanted.Attempts != before.Wanted.Attempts {
		add("LoadFailed", "revision %d, attempt %d: %s", wanted.Snapshot.Revision, wanted.Attempts, wanted.Failure.Error())
	}
	if message := after.Restore.Error; message != "" && message != before.Restore.Error {
		add("RestoreFailed", "%s", message)
	}
	return all
}

// conditionOf returns the type of the condition, and of the event, of a finding. It is empty when there is no drift.
func conditionOf(f drift.Finding) string {
	switch f {
	case drift.Lost:
		return "GatewayLost"
	case drift.Behind:
		return "GatewayBehind"
	case drift.Drifted:
		return "Drift"
	}
	return ""
}

// driftMessage says what the gateway runs instead of what it should; empty when there is no drift.
func (s State) driftMessage() string {
	instead := ""
	if n := len(s.Drift.Expected); n > 0 {
		expected := s.Drift.Expected[n-1]
		instead = fmt.Sprintf("in place of revision %d (%s)", expected.Snapshot.Revision, short(expected.Hash))
	}
	found := short(s.Drift.Found)
	known, ours := s.snapshotOf(s.Drift.Found)
	switch s.Drift.Finding {
	case drift.Lost:
		return "the gateway lost its configuration " + instead
	case drift.Behind:
		return fmt.Sprintf("the gateway restarted with our revision %d (%s) %s", known.Revision, found, instead)
	case drift.Drifted:
	default:
		return ""
	}
	origin := "it is none of ours"
	if ours {
		origin = fmt.Sprintf("it is our revision %d", known.Revision)
		if known.Refused {
			origin += ", which was refused before"
		}
	}
	return fmt.Sprintf("the gateway runs a configuration that the agent did not load (%s) %s: %s", found, instead, origin)
}

// short is a prefix of a hash, for messages.
func short(hash fleet.GatewayHash) string {
	return "hash " + string(hash[:min(len(hash), 12)])
}
