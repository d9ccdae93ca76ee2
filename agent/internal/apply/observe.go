package apply

import (
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

func (s State) observed(at Moment, e Observed) (State, []Action) {
	if e.Err != nil {
		// The gateway may return with any configuration.
		s.Gateway.Observed, s.Gateway.Reachable, s.Gateway.Ready, s.Serving.Proven = true, false, false, false
		return s, nil
	}
	s, restarted := s.observedProcesses(at, e.Observation)
	var actions []Action
	if s.Gateway.Uninspected {
		actions = append(actions, Inspect{})
	}
	if len(s.Drift.Expected) == 0 {
		return s.observedFirst(at, e.Observation.Hash, actions)
	}
	if e.Observation.Hash != s.Unmanaged.Hash {
		s.Unmanaged = Unmanaged{}
	}
	before := s.Drift
	s = s.compare(e.Observation.Hash, restarted)
	if s.Drift.Finding == drift.Same {
		return s.observedSame(actions)
	}
	return s.observedDrift(at, before, e.Policy, actions)
}

// observedProcesses takes what an observation says of the gateway itself, and reports whether it was restarted.
func (s State) observedProcesses(at Moment, o gateway.Observation) (_ State, restarted bool) {
	returned, replaced := !s.Gateway.Reachable, s.Gateway.Workers != o.Workers
	if returned || replaced {
		// It may be another Kong.
		s.Serving.Proven, s.Gateway.Uninspected = false, true
	}
	restarted = s.Gateway.EverReachable && (returned || replaced)
	if restarted {
		s.Gateway.Restarts++
	}
	s.Gateway.EverReachable, s.Gateway.Observed, s.Gateway.Reachable = true, true, true
	s.Gateway.Ready, s.Gateway.Unready, s.Gateway.Workers = o.Ready, o.Unready, o.Workers
	s.Gateway.Empty = o.Hash == fleet.NoGatewayHash
	failed := s.Wanted.Failure.Reason
	if (returned || restarted) && (failed == verdict.Unreachable || failed.Unproven()) && !s.Wanted.RetryAt.IsZero() {
		s.Wanted.RetryAt = at.Now // the failure was of the gateway before its restart
	}
	return s, restarted
}

// compare finds out whether the gateway runs what it should.
func (s State) compare(found fleet.GatewayHash, restarted bool) State {
	hashes := make([]fleet.GatewayHash, len(s.Drift.Expected))
	for i, expected := range s.Drift.Expected {
		hashes[i] = expected.Hash
	}
	before := s.Drift
	s.Drift.Finding, s.Drift.Found = drift.Compare(hashes, found), found
	known, ours := s.snapshotOf(found)
	if s.Drift.Finding != drift.Drifted || !ours || !restarted && (before.Finding != drift.Behind || before.Found != found) {
		return s
	}
	s.Drift.Finding = drift.Behind
	if known.Digest == s.Good.Digest {
		// It returned to the last known good while a newer snapshot was being tried.
		s.Drift.Finding, s.Drift.Expected = drift.Same, []Expectation{{s.Good, found}}
	}
	return s
}

// observedSame handles an observation of what was expected.
func (s State) observedSame(actions []Action) (State, []Action) {
	at := slices.IndexFunc(s.Drift.Expected, func(e Expectation) bool { return e.Hash == s.Drift.Found })
	s.Drift.Expected = []Expectation{s.Drift.Expected[at]}
	s.Restore.Error = ""
	// A scheduled retry proves what was loaded and is not proven.
	if !s.Serving.Proven && (s.Wanted.RetryAt.IsZero() || s.Drift.Expected[0].Snapshot.Digest != s.Wanted.Snapshot.Digest) {
		actions = append(actions, Verify{s.Drift.Expected[0]})
	}
	return s, actions
}

// observedDrift handles an observation of anything else.
func (s State) observedDrift(at Moment, before Drift, policy drift.Policy, actions []Action) (State, []Action) {
	s.Serving.Proven, s.Serving.Failure = false, verdict.Failure{}
	restores := policy.Restores(s.Drift.Finding)
	if before.Finding != s.Drift.Finding || before.Found != s.Drift.Found {
		s.Drift.FoundAt = at.Now
		if s.Drift.Finding != drift.Behind {
			s.Drift.Count++
			actions = append(actions, Drifted{Finding: s.Drift.Finding, Healing: restores})
		}
	}
	switch {
	case !restores || at.Now.Before(s.Restore.RetryAt):
	case s.Good.Digest != "":
		actions = append(actions, Restore{s.Good})
	case !s.Wanted.RetryAt.IsZero():
		return s.retry(actions)
	}
	return s, actions
}

// observedFirst handles observations before the first load or restore, when nothing is expected yet. The gateway gets the last
// known good, unless it is unmanaged. A candidate of the previous run is loaded when the gateway runs it, or when there is no last
// known good; otherwise it waits for the control plane.
func (s State) observedFirst(at Moment, found fleet.GatewayHash, actions []Action) (State, []Action) {
	if s.foreign(found) {
		return s.observedForeign(at, found, actions)
	}
	s.Unmanaged = Unmanaged{}
	if s.Wanted.HeldBack != "" {
		// The configuration that it would have replaced is gone.
		s, load := s.load(s.Wanted.Snapshot, time.Time{})
		return s, append(actions, load)
	}
	pending := s.Pending
	if s.Wanted.Snapshot.Digest == "" && pending.Snapshot.Digest != "" && (s.Good.Digest == "" || pending.Hash == found) {
		s.Pending = Expectation{}
		s, load := s.load(pending.Snapshot, time.Time{})
		return s, append(actions, load)
	}
	if s.Good.Digest == "" || at.Now.Before(s.Restore.RetryAt) {
		return s, actions
	}
	return s, append(actions, Restore{s.Good})
}
