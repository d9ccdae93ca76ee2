package apply

import (
	"errors"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// retries spaces loads and restores that follow failures.
var retries = backoff.Policy{Base: time.Second, Cap: 30 * time.Second, Jitter: 0.5}

// Moment is when a decision is made, with a random number in [0, 1) that it may use.
type Moment struct {
	Now    time.Time
	Chance float64
}

// Decide returns what follows from an event. It is pure, and the only code that changes a State.
func Decide(s State, at Moment, event Event) (State, []Action) {
	switch e := event.(type) {
	case DirectiveReceived:
		return s.directiveReceived(e.Directive)
	case PostBegins:
		s.Wanted.Stage = Posting
	case LoadEnded:
		return s.loadEnded(at, e)
	case RestoreEnded:
		return s.restoreEnded(at, e)
	case VerifyEnded:
		return s.verifyEnded(at, e)
	case Observed:
		return s.observed(at, e)
	case Inspected:
		return s.inspected(e)
	case ConfigurationRead:
		return s.configurationRead(at, e.Unmanaged)
	case SpotCheckFailed:
		return s.spotCheckFailed()
	case StateDirChecked:
		s.Disk.StateDir = e.Problem
	case BootFileChecked:
		s.Disk.BootFile = e.Problem
	case BootFileWritten:
		s.Disk.BootFile = ""
		s.Memory.Form, s.Memory.Expressions, s.Memory.Boot = e.Form, e.Expressions, e.Hash
	case Tick:
		if retry := s.Wanted.RetryAt; !retry.IsZero() && !at.Now.Before(retry) {
			return s.retry(nil)
		}
	}
	return s, nil
}

// retry loads what is wanted once more.
func (s State) retry(actions []Action) (State, []Action) {
	s.Wanted.RetryAt = time.Time{}
	s, load := s.load(s.Wanted.Snapshot, time.Time{})
	return s, append(actions, load)
}

func (s State) directiveReceived(d Directive) (State, []Action) {
	outcome := Outcome{ReplyTo: d.ReplyTo, Snapshot: d.Snapshot, Serving: s.serves()}
	if !d.Lineage().Covers(s.Memory.Stamp()) {
		// From a deposed leader, from a replica that lags behind, or of a ledger that was restored from a backup.
		s.Stale = &Stale{Followed: s.Memory.Stamp(), Offered: d.Snapshot.Stamp()}
		outcome.Failure = &verdict.Failure{Reason: verdict.StaleDecision, Message: s.Stale.String()}
		return s, []Action{outcome}
	}
	s.Stale = nil
	if d.Damage != nil {
		outcome.Failure = d.Damage
		return s, []Action{outcome}
	}
	var actions []Action
	if s.Memory.Stamp() != d.Snapshot.Stamp() {
		s.Memory = s.Memory.Follow(d.Snapshot)
		actions = append(actions, Remember{})
	}
	again := s.Wanted.Snapshot.Digest == d.Snapshot.Digest
	s.Wanted.Snapshot, s.Wanted.ReplyTo, s.Wanted.Replaces, s.Wanted.HeldBack = d.Snapshot, d.ReplyTo, d.Replaces, ""
	if problems, is := s.refused(d.Snapshot.Digest); is {
		s.Wanted.RetryAt, s.Wanted.Failure, s.Wanted.Problems = time.Time{}, verdict.Failure{}, problems
		outcome.Refusal = &verdict.Refusal{Problems: problems}
		return s, append(actions, outcome)
	}
	s.Wanted.Problems = nil
	if s.Serving.Proven && s.Serving.Snapshot.Digest == d.Snapshot.Digest && s.Good.Digest == d.Snapshot.Digest {
		s.Wanted = s.Wanted.reset()
		s.Serving.Snapshot, s.Good, s.Memory.Serving = d.Snapshot, d.Snapshot, d.Snapshot
		outcome.Ack = &verdict.Ack{Proof: s.Serving.Ack.Proof}
		return s, append(actions, Remember{}, outcome)
	}
	if again && !s.Wanted.RetryAt.IsZero() {
		return s, actions // a new stream does not shorten the wait
	}
	s.Wanted = s.Wanted.reset()
	s, load := s.load(d.Snapshot, d.Arrived)
	return s, append(actions, load)
}

func (s State) loadEnded(at Moment, e LoadEnded) (State, []Action) {
	s.Wanted.Stage = Idle
	if e.Abandoned {
		return s, nil
	}
	if e.Saved {
		s.Disk.Memory = ""
	}
	outcome := Outcome{ReplyTo: s.Wanted.ReplyTo, Snapshot: e.Snapshot}
	loaded := Expectation{e.Snapshot, e.Hash}
	if e.Err == nil || e.Served {
		s = s.proven(e.Snapshot, e.Ack)
		if e.Sample != nil {
			s.Memory.Loads = cost.Remember(s.Memory.Loads, *e.Sample)
		}
		s.Drift.Expected, s.Drift.Finding = []Expectation{loaded}, drift.Same
		s.Unmanaged, s.Wanted.HeldBack = Unmanaged{}, ""
	}
	if e.Err == nil {
		s.Serving.Loads++
		s.Wanted = s.Wanted.reset()
		s.Wanted.Problems = nil
		s.Good, s.Memory.Serving = e.Snapshot, e.Snapshot
		outcome.Ack = &e.Ack
		return s.rememberHash(e.Hash, e.Snapshot, false), []Action{Remember{}, outcome}
	}
	var refusal *verdict.Refusal
	if errors.As(e.Err, &refusal) {
		return s.rememberHash(e.Hash, e.Snapshot, true).refuse(outcome, refusal.Problems)
	}
	return s.loadFailed(at, e, outcome)
}

func (s State) loadFailed(at Moment, e LoadEnded, outcome Outcome) (State, []Action) {
	failure := failureOf(e.Err)
	outcome.Failure = &failure
	if failure.Reason == verdict.Unmanaged {
		// Nothing was posted. A retry would not help, because an operator must decide.
		s.Wanted = s.Wanted.reset()
		s.Wanted.HeldBack = failure.Message
		return s, []Action{outcome}
	}
	s = s.rememberHash(e.Hash, e.Snapshot, false)
	loaded := Expectation{e.Snapshot, e.Hash}
	switch {
	case failure.Reason.Unproven():
		s.Drift.Expected, s.Serving.Proven, s.Unmanaged = []Expectation{loaded}, false, Unmanaged{}
	case failure.Uncertain:
		// The next observation finds out which.
		s.Drift.Expected, s.Serving.Proven = append(slices.Clone(s.Drift.Expected), loaded), false
	}
	if failure.Suspect && e.Healthy {
		s.Wanted.Suspects++
		if s.Wanted.Suspects > 1 {
			outcome.Failure = nil
			return s.refuse(outcome, []verdict.Problem{{
				Message: "the gateway answers 500 (an unexpected error) to this configuration, and answers other requests; " +
					"a known cause is a reference to an entity of the wrong kind",
			}})
		}
	} else {
		s.Wanted.Suspects = 0
	}
	s.Wanted.Attempts++
	failure.Attempts = s.Wanted.Attempts
	s.Wanted.Failure = failure
	s.Wanted.RetryAt = at.Now.Add(max(retries.Pause(s.Wanted.Attempts, at.Chance), failure.RetryAfter))
	outcome.Serving = s.serves()
	return s, []Action{outcome}
}

// refuse remembers that the gateway refused the snapshot of an outcome.
func (s State) refuse(outcome Outcome, problems []verdict.Problem) (State, []Action) {
	digest := outcome.Snapshot.Digest
	kept := slices.DeleteFunc(slices.Clone(s.Memory.Refused), func(r lastgood.Refused) bool { return r.Digest == digest })
	kept = append(kept, lastgood.Refused{Digest: digest, Problems: problems})
	s.Memory.Refused = kept[max(0, len(kept)-lastgood.MaxRefused):]
	s.Wanted = s.Wanted.reset()
	s.Wanted.Problems = problems
	outcome.Refusal, outcome.Serving = &verdict.Refusal{Problems: problems}, s.serves()
	return s, []Action{Remember{}, outcome}
}

func (s State) restoreEnded(at Moment, e RestoreEnded) (State, []Action) {
	loaded := []Expectation{{e.Snapshot, e.Hash}}
	if e.Err == nil {
		good := s.latest(e.Snapshot)
		s = s.proven(good, e.Ack).rememberHash(e.Hash, good, false)
		s.Good = good // the previous generation when the newest is damaged
		s.Drift.Expected, s.Drift.Finding = loaded, drift.Same
		if e.Posted {
			s.Restore.Count++
		}
		s.Restore.Failures, s.Restore.RetryAt, s.Restore.Error = 0, time.Time{}, ""
		return s, nil
	}
	s.Serving.Proven = false
	s.Restore.Failures++
	s.Restore.Error = e.Err.Error()
	failure := failureOf(e.Err)
	wait := max(retries.Pause(s.Restore.Failures, at.Chance), failure.RetryAfter)
	var refusal *verdict.Refusal
	if errors.As(e.Err, &refusal) {
		wait = retries.Cap // another Kong refuses it, and will again
	}
	if failure.Reason.Unproven() {
		s.Drift.Expected = loaded
	}
	s.Restore.RetryAt = at.Now.Add(wait)
	return s, nil
}

func (s State) verifyEnded(at Moment, e VerifyEnded) (State, []Action) {
	if e.Err == nil {
		return s.proven(s.latest(e.Snapshot), e.Ack), nil
	}
	s.Serving.Proven, s.Serving.Failure = false, failureOf(e.Err)
	stale := s.Serving.Failure.Reason == verdict.StaleRouter && e.Snapshot.Digest == s.Good.Digest
	if stale && !at.Now.Before(s.Restore.RetryAt) {
		return s, []Action{Restore{s.Good}} // only another load gives the worker its router (fact F43)
	}
	return s, nil
}

// latest returns a snapshot as the last known good one when the content is the same: it may have come back under a later revision since it
// was loaded.
func (s State) latest(snapshot lastgood.Snapshot) lastgood.Snapshot {
	if snapshot.Digest == s.Good.Digest {
		return s.Good
	}
	return snapshot
}

// spotCheckFailed proves again what was proven. It counts as proven until that proof ends, because a replaced worker is no
// reason to take a gateway out of load balancing.
func (s State) spotCheckFailed() (State, []Action) {
	if !s.Serving.Proven || len(s.Drift.Expected) == 0 {
		return s, nil
	}
	return s, []Action{Verify{s.Drift.Expected[0]}}
}

func (s State) inspected(e Inspected) (State, []Action) {
	s.Gateway.Uninspected = false
	s.Memory.Kong = e.KongVersion
	if s.Memory.Fingerprint == e.Fingerprint {
		return s, nil
	}
	known := s.Memory.Fingerprint != ""
	s.Memory.Fingerprint = e.Fingerprint
	if !known || len(s.Memory.Refused) == 0 {
		return s, []Action{Remember{}}
	}
	// The refusals are of another gateway.
	s.Memory.Refused, s.Wanted.Problems = nil, nil
	return s, []Action{Remember{}, Reopen{}}
}

func failureOf(err error) verdict.Failure {
	var failure *verdict.Failure
	if errors.As(err, &failure) {
		return *failure
	}
	return verdict.Failure{Reason: verdict.GatewayError, Message: "the load ended with an unknown error"}
}
