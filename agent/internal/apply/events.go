package apply

import (
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// eventsBetween tells what came about between two states, oldest first. It is pure.
func eventsBetween(before, after State, now time.Time) []status.Event {
	var all []status.Event
	note := func(kind, format string, args ...any) {
		all = append(all, status.Event{Time: now, Type: kind, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case after.Observed && !after.Reachable && (before.Reachable || !before.Observed):
		note("GatewayAway", "the gateway does not answer")
	case after.Restarts > before.Restarts:
		note("GatewayRestarted", "the gateway was started anew, or reloaded")
	case after.Reachable && !before.Reachable:
		note("GatewayFound", "the gateway answers")
	}
	if after.Finding != drift.Same && after.Finding != drift.Unknown && (after.Finding != before.Finding || after.Found != before.Found) {
		note(conditionOf(after.Finding), "%s", after.finding())
	}
	if before.Finding != drift.Same && before.Finding != drift.Unknown && after.Finding == drift.Same {
		kind := map[drift.Finding]string{drift.Drifted: "DriftHealed", drift.Lost: "GatewayRestored",
			drift.Behind: "GatewayRestored"}[before.Finding]
		note(kind, "after %s the gateway runs revision %d again; before, %s", now.Sub(before.FoundAt).Round(time.Millisecond),
			after.Serving.Revision, before.finding())
	} else if after.Healed > before.Healed {
		note("GatewayRestored", "the gateway was given revision %d, the last known good", after.Serving.Revision)
	}
	if after.Loads > before.Loads {
		note("SnapshotServing", "revision %d is served", after.Serving.Revision)
	}
	if len(after.Problems) > 0 && len(before.Problems) == 0 {
		note("SnapshotRefused", "revision %d: %s", after.Wanted.Revision, (&verdict.Refusal{Problems: after.Problems}).Error())
	}
	if after.Stale != nil && (before.Stale == nil || *before.Stale != *after.Stale) {
		note("DecisionStale", "%s", after.Stale)
	}
	if after.Attempts > 0 && after.Attempts != before.Attempts {
		note("LoadFailed", "revision %d, attempt %d: %s", after.Wanted.Revision, after.Attempts, after.Failure.Error())
	}
	if after.RestoreErr != "" && after.RestoreErr != before.RestoreErr {
		note("RestoreFailed", "%s", after.RestoreErr)
	}
	return all
}

// conditionOf is the condition, and the event, of a finding.
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

// finding says what the gateway was found with, and in place of what; empty when all is well.
func (s State) finding() string {
	instead := ""
	if len(s.Left) > 0 {
		left := s.Left[len(s.Left)-1]
		instead = fmt.Sprintf("in place of revision %d (%s)", left.Snapshot.Revision, short(left.Hash))
	}
	known, ours := s.snapshotOf(s.Found)
	switch {
	case s.Finding == drift.Lost:
		return "the gateway lost its configuration " + instead
	case s.Finding == drift.Behind:
		return fmt.Sprintf("the gateway was started anew with our revision %d (%s) %s", known.Revision, short(s.Found), instead)
	case s.Finding != drift.Drifted:
		return ""
	case ours && known.Refused:
		return fmt.Sprintf("the gateway runs a configuration that the agent did not give it (%s) %s: it is our revision %d, which was refused "+
			"before", short(s.Found), instead, known.Revision)
	case ours:
		return fmt.Sprintf("the gateway runs a configuration that the agent did not give it (%s) %s: it is our revision %d", short(s.Found),
			instead, known.Revision)
	}
	return fmt.Sprintf("the gateway runs a configuration that the agent did not give it (%s) %s: it is none of ours", short(s.Found), instead)
}

// short is enough of a hash to tell it from others.
func short(hash fleet.GatewayHash) string {
	return "hash " + string(hash[:min(len(hash), 12)])
}
