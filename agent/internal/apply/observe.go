package apply

import (
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// observed handles a look at the gateway.
func (s State) observed(at Moment, e Observed) (State, []Action) {
	if e.Err != nil {
		// Whatever it was proven to serve, it may return with something else.
		s.Observed, s.Reachable, s.Ready, s.Proven = true, false, false, false
		return s, nil
	}
	var actions []Action
	returned := !s.Reachable
	other := s.Workers != e.Observation.Workers
	if returned || other {
		// A gateway that was not known, or other processes than before: it may be another Kong.
		s.Proven, s.Uninspected = false, true
	}
	if s.Uninspected {
		actions = append(actions, Inspect{})
	}
	again := s.EverReachable && (returned || other)
	if again {
		s.Restarts++
	}
	s.EverReachable, s.Observed, s.Reachable, s.Ready, s.Unready, s.Workers = true, true, true, e.Observation.Ready, e.Observation.Unready, e.Observation.Workers
	s.Empty = e.Observation.Hash == fleet.NoGatewayHash
	if (returned || again) && (s.Failure.Reason == verdict.Unreachable || s.Failure.Reason.Unproven()) && !s.RetryAt.IsZero() {
		s.RetryAt = at.Now // what failed was the gateway of before
	}
	if len(s.Left) == 0 {
		return s.first(at, e, actions)
	}
	if e.Observation.Hash != s.Served.Hash {
		s.Served = Served{}
	}
	hashes := make([]fleet.GatewayHash, len(s.Left))
	for i, l := range s.Left {
		hashes[i] = l.Hash
	}
	was, wasFound := s.Finding, s.Found
	s.Finding, s.Found = drift.Compare(hashes, e.Observation.Hash), e.Observation.Hash
	if known, ours := s.snapshotOf(s.Found); s.Finding == drift.Drifted && ours && (again || was == drift.Behind && wasFound == s.Found) {
		s.Finding = drift.Behind
		if known.Digest == s.Good.Digest {
			// It returned to the last known good while something newer was tried.
			s.Finding, s.Left = drift.Same, []Expectation{{s.Good, s.Found}}
		}
	}
	if s.Finding == drift.Same {
		s.Left = slices.Clone(slices.DeleteFunc(slices.Clone(s.Left), func(l Expectation) bool { return l.Hash != e.Observation.Hash }))[:1]
		s.RestoreErr = ""
		// What was loaded and is not proven is what a retry is for, unless there is none.
		if !s.Proven && (s.RetryAt.IsZero() || s.Left[0].Snapshot.Digest != s.Wanted.Digest) {
			actions = append(actions, Verify{s.Left[0]})
		}
		return s, actions
	}
	s.Proven, s.Doubt = false, verdict.Failure{}
	restores := e.Policy.Restores(s.Finding)
	if was != s.Finding || wasFound != s.Found {
		s.FoundAt = at.Now
		if s.Finding != drift.Behind {
			s.Drifts++
			actions = append(actions, Drifted{Finding: s.Finding, Healing: restores})
		}
	}
	switch {
	case !restores || at.Now.Before(s.RestoreAt):
	case s.Good.Digest != "":
		actions = append(actions, Restore{s.Good})
	case !s.RetryAt.IsZero():
		s.RetryAt = time.Time{}
		actions = append(actions, Load{Snapshot: s.Wanted})
	}
	return s, actions
}

// first judges looks while it is not known what should be found: what the disk holds is, and whoever finds nothing else to
// say restores it. A candidate that the agent before this one died with goes on when the gateway runs it, or when there
// is nothing else to run; otherwise the control plane is asked for it again.
func (s State) first(at Moment, e Observed, actions []Action) (State, []Action) {
	if s.foreign(e.Observation.Hash) {
		return s.observedForeign(at, e.Observation.Hash, actions)
	}
	s.Served = Served{}
	if s.Kept != "" {
		// What was to be kept is gone.
		s.Kept = ""
		return s, append(actions, Load{Snapshot: s.Wanted})
	}
	pending := s.Pending
	if s.Wanted.Digest == "" && pending.Snapshot.Digest != "" && (s.Good.Digest == "" || pending.Hash == e.Observation.Hash) {
		s.Pending, s.Wanted = Expectation{}, pending.Snapshot
		return s, append(actions, Load{Snapshot: pending.Snapshot})
	}
	if s.Good.Digest == "" || at.Now.Before(s.RestoreAt) {
		return s, actions
	}
	return s, append(actions, Restore{s.Good})
}
