package apply

import (
	"errors"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// How long to wait after a failure: doubled at each, of which a random half is waited.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Moment is when a decision is made, with the chance that it may use: from 0 up to 1.
type Moment struct {
	Now    time.Time
	Chance float64
}

// Decide says what follows from an event. It reads no clock and touches nothing.
func Decide(s State, at Moment, event Event) (State, []Action) {
	switch e := event.(type) {
	case DirectiveReceived:
		return s.directiveReceived(e.Directive)
	case LoadEnded:
		return s.loadEnded(at, e)
	case RestoreEnded:
		return s.restoreEnded(at, e)
	case VerifyEnded:
		return s.verifyEnded(at, e)
	case Observed:
		return s.observed(at, e)
	case ConfigurationRead:
		return s.configurationRead(at, e.Served)
	case SpotCheckFailed:
		return s.spotCheckFailed()
	case Inspected:
		return s.inspected(e.Fingerprint)
	case Tick:
		if !s.RetryAt.IsZero() && !at.Now.Before(s.RetryAt) {
			s.RetryAt = time.Time{}
			return s, []Action{Load{Snapshot: s.Wanted}}
		}
	}
	return s, nil
}

func (s State) directiveReceived(d Directive) (State, []Action) {
	answer := Outcome{ReplyTo: d.ReplyTo, Snapshot: d.Snapshot, Serving: s.serves()}
	if s.Memory.Stamp().After(d.Snapshot.Stamp()) {
		// A deposed leader, or a replica that lags behind: the group has moved on. Or the ledger went back in time.
		s.Stale = &Stale{Followed: s.Memory.Stamp(), Offered: d.Snapshot.Stamp()}
		answer.Failure = &verdict.Failure{Reason: verdict.StaleDecision, Message: s.Stale.String()}
		return s, []Action{answer}
	}
	s.Stale = nil
	if d.Damage != nil {
		answer.Failure = d.Damage
		return s, []Action{answer}
	}
	var actions []Action
	if s.Memory.Stamp() != d.Snapshot.Stamp() {
		s.Memory = s.Memory.Follow(d.Snapshot)
		actions = append(actions, Remember{})
	}
	again := s.Wanted.Digest == d.Snapshot.Digest
	s.Wanted, s.ReplyTo, s.Arrived, s.Replaces, s.Kept = d.Snapshot, d.ReplyTo, d.Arrived, d.Replaces, ""
	if problems, is := s.refused(d.Snapshot.Digest); is {
		s.RetryAt, s.Failure, s.Problems = time.Time{}, verdict.Failure{}, problems
		answer.Refusal = &verdict.Refusal{Problems: problems}
		return s, append(actions, answer)
	}
	s.Problems = nil
	if s.Proven && s.Serving.Digest == d.Snapshot.Digest && s.Good.Digest == d.Snapshot.Digest {
		s.RetryAt, s.Failure, s.Attempts, s.Suspects = time.Time{}, verdict.Failure{}, 0, 0
		s.Serving, s.Good, s.Memory.Serving = d.Snapshot, d.Snapshot, d.Snapshot
		answer.Ack = &verdict.Ack{Proof: s.Ack.Proof}
		return s, append(actions, Remember{}, answer)
	}
	if again && !s.RetryAt.IsZero() {
		return s, actions // a stream that was opened anew does not shorten the wait
	}
	s.Attempts, s.Suspects, s.RetryAt, s.Failure = 0, 0, time.Time{}, verdict.Failure{}
	return s, append(actions, Load{Snapshot: d.Snapshot, Arrived: d.Arrived})
}

func (s State) loadEnded(at Moment, e LoadEnded) (State, []Action) {
	if e.Abandoned {
		return s, nil
	}
	answer := Outcome{ReplyTo: s.ReplyTo, Snapshot: e.Snapshot}
	left := Expectation{e.Snapshot, e.Hash}
	if e.Err == nil || e.Served {
		s.Serving, s.Proven, s.Ack, s.Left, s.Finding, s.Doubt = e.Snapshot, true, e.Ack, []Expectation{left}, drift.Same, verdict.Failure{}
		s.Served, s.Kept = Served{}, ""
	}
	if e.Err == nil {
		s.Loads++
		s.Attempts, s.Suspects, s.RetryAt, s.Failure, s.Problems = 0, 0, time.Time{}, verdict.Failure{}, nil
		s.Good, s.Memory.Serving = e.Snapshot, e.Snapshot
		s = s.rememberHash(e.Hash, e.Snapshot, false)
		answer.Ack = &e.Ack
		return s, []Action{Remember{}, answer}
	}
	var refusal *verdict.Refusal
	if errors.As(e.Err, &refusal) {
		return s.rememberHash(e.Hash, e.Snapshot, true).refuse(answer, e.Snapshot.Digest, refusal.Problems)
	}
	failure := failureOf(e.Err)
	if failure.Reason == verdict.Unmanaged {
		// Nothing was posted, and trying again does not help: a person decides.
		s.Attempts, s.Suspects, s.RetryAt, s.Failure, s.Kept = 0, 0, time.Time{}, verdict.Failure{}, failure.Message
		answer.Failure = &failure
		return s, []Action{answer}
	}
	s = s.rememberHash(e.Hash, e.Snapshot, false)
	switch {
	case failure.Reason.Unproven():
		s.Left, s.Proven, s.Served = []Expectation{left}, false, Served{}
	case failure.Uncertain:
		// The next look at the gateway tells which.
		s.Left, s.Proven = append(slices.Clone(s.Left), left), false
	}
	if failure.Suspect && e.Healthy {
		s.Suspects++
		if s.Suspects > 1 {
			return s.refuse(answer, e.Snapshot.Digest, []verdict.Problem{{
				Message: "the gateway fails on this configuration (500, an unexpected error), and works otherwise; a reference of a wrong type is a " +
					"known cause",
			}})
		}
	} else {
		s.Suspects = 0
	}
	s.Attempts++
	failure.Attempts = s.Attempts
	s.Failure = failure
	s.RetryAt = at.Now.Add(max(backoff(s.Attempts, at.Chance), failure.RetryAfter))
	answer.Failure, answer.Serving = &failure, s.serves()
	return s, []Action{answer}
}

func (s State) refuse(answer Outcome, digest fleet.Digest, problems []verdict.Problem) (State, []Action) {
	kept := slices.DeleteFunc(slices.Clone(s.Memory.Refused), func(r lastgood.Refused) bool { return r.Digest == digest })
	kept = append(kept, lastgood.Refused{Digest: digest, Problems: problems})
	s.Memory.Refused = kept[max(0, len(kept)-lastgood.MaxRefused):]
	s.Attempts, s.Suspects, s.RetryAt, s.Failure, s.Problems = 0, 0, time.Time{}, verdict.Failure{}, problems
	answer.Refusal, answer.Serving = &verdict.Refusal{Problems: problems}, s.serves()
	return s, []Action{Remember{}, answer}
}

func (s State) restoreEnded(at Moment, e RestoreEnded) (State, []Action) {
	if e.Err == nil {
		s.Serving, s.Proven, s.Ack, s.Finding, s.Doubt = e.Snapshot, true, e.Ack, drift.Same, verdict.Failure{}
		s.Good = e.Snapshot // the generation before, when the newest was found damaged
		s.Left = []Expectation{{e.Snapshot, e.Hash}}
		s = s.rememberHash(e.Hash, e.Snapshot, false)
		if e.Posted {
			s.Healed++
		}
		s.Restores, s.RestoreAt, s.RestoreErr = 0, time.Time{}, ""
		return s, nil
	}
	s.Proven = false
	s.Restores++
	s.RestoreErr = e.Err.Error()
	failure := failureOf(e.Err)
	wait := max(backoff(s.Restores, at.Chance), failure.RetryAfter)
	var refusal *verdict.Refusal
	if errors.As(e.Err, &refusal) {
		wait = lastRetry // the gateway changed; it will hardly change its mind
	}
	if failure.Reason.Unproven() {
		s.Left = []Expectation{{e.Snapshot, e.Hash}}
	}
	s.RestoreAt = at.Now.Add(wait)
	return s, nil
}

func (s State) verifyEnded(at Moment, e VerifyEnded) (State, []Action) {
	if e.Err == nil {
		s.Serving, s.Proven, s.Ack, s.Doubt = e.Snapshot, true, e.Ack, verdict.Failure{}
		return s, nil
	}
	s.Proven, s.Doubt = false, failureOf(e.Err)
	if s.Doubt.Reason == verdict.StaleRouter && e.Snapshot.Digest == s.Good.Digest && !at.Now.Before(s.RestoreAt) {
		return s, []Action{Restore{s.Good}} // nothing but another load gives the worker its router
	}
	return s, nil
}

func (s State) inspected(fingerprint string) (State, []Action) {
	s.Uninspected = false
	if s.Memory.Fingerprint == fingerprint {
		return s, nil
	}
	known := s.Memory.Fingerprint != ""
	s.Memory.Fingerprint = fingerprint
	if !known || len(s.Memory.Refused) == 0 {
		return s, []Action{Remember{}}
	}
	// Another gateway than the one that refused.
	s.Memory.Refused, s.Problems = nil, nil
	return s, []Action{Remember{}, Reopen{}}
}

// serves is what the gateway was proven to serve and still does.
func (s State) serves() fleet.Digest {
	if !s.Proven {
		return ""
	}
	return s.Serving.Digest
}

func failureOf(err error) verdict.Failure {
	var failure *verdict.Failure
	if errors.As(err, &failure) {
		return *failure
	}
	return verdict.Failure{Reason: verdict.GatewayError, Message: "the load ended in an unknown way"}
}

func backoff(attempts int, chance float64) time.Duration {
	full := lastRetry
	if attempts < 6 {
		full = min(firstRetry<<(attempts-1), lastRetry)
	}
	return full/2 + time.Duration(chance*float64(full/2))
}
