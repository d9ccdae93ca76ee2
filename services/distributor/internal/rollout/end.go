package rollout

import (
	"fmt"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// An ending says how a rollout ends before it is complete.
type ending struct {
	state     State
	withdrawn bool // the candidate is taken back from every node; otherwise the nodes that it reached keep it
	hadTime   bool // nodes without an answer count as nodes that do not serve the candidate
}

// end ends the rollout. Nodes that the candidate had not reached keep what they run.
func (s *step) end(how ending, reason string) *Decision {
	r := ended(s.now, s.r, s.a, how.state, s.c, how.hadTime)
	next := Assignment{Stable: s.a.Stable, Held: s.a.left(how.withdrawn)}
	if how.withdrawn && !how.hadTime {
		// A retried candidate may be held from before. What was refused or rolled back stays on no node.
		next.Held = slices.DeleteFunc(slices.Clone(next.Held), func(h Hold) bool { return h.Target.Revision == s.a.Candidate.Revision })
	}
	if how.withdrawn && s.a.anyOf(func(at uint64) bool { return next.Target(at).IsZero() }) && !r.Stable.IsZero() {
		// A recovery of the ledger left the stable revision out of the assignment. The nodes that the candidate reached go back to it.
		next.Held = append(slices.Clip(next.Held), Hold{Target: r.Stable, Reach: s.a.Reach})
	}
	r.Reason, r.Fallback = reason, next.revisions()
	return &Decision{Rollout: &r, Assignment: &next}
}

// unhealthy halts a rollout that no node refused. Where most of the nodes in the wave serve the candidate, it is good and the others are
// sick: it stays where it is and goes no further. Otherwise it is taken back.
func (s *step) unhealthy(reason string) *Decision {
	withdrawn := !s.c.proven(s.r)
	if !withdrawn {
		reason += s.kept()
	}
	return s.end(ending{state: Halted, withdrawn: withdrawn, hadTime: true}, reason)
}

// rollBack takes the candidate back from every node. The sources that brought it are to be pinned.
func (s *step) rollBack(reason string) *Decision {
	s.r.Pinning = &Pinning{}
	return s.end(ending{state: RolledBack, withdrawn: true}, reason)
}

// gateFailed ends a rollout whose wave a gate found unhealthy: by the policy the candidate is taken back, or the rollout halts where it is.
// Without a stable revision it always halts.
func (s *step) gateFailed(failed GateResult) *Decision {
	reason := fmt.Sprintf("gate %s failed in wave %d of %d: %s", failed.Gate, s.r.Wave, s.r.Policy.WaveCount(), failed.Evidence)
	s.r.FailedGate = failed.Gate
	if s.r.Policy.OnUnhealthy == fleet.UnhealthyHalts || s.r.Stable.IsZero() {
		return s.end(ending{state: Halted}, reason+s.kept())
	}
	return s.rollBack(reason)
}

// inconclusive decides about a wave whose soak ended a while ago without enough evidence; nil when the rollout goes on.
func (s *step) inconclusive(since time.Duration) *Decision {
	open := undecided(s.gates)
	if open == nil {
		return nil
	}
	reason := fmt.Sprintf("gate %s is inconclusive in wave %d of %d: %s", open.Gate, s.r.Wave, s.r.Policy.WaveCount(), open.Evidence)
	switch s.r.Policy.OnInconclusive {
	case fleet.InconclusiveHalts:
	case fleet.InconclusiveWaits:
		if left := s.r.Policy.deadline() - since; left > 0 {
			return s.asIs(left)
		}
		reason += fmt.Sprintf(", after another %s", s.r.Policy.deadline())
	default:
		return nil
	}
	return s.end(ending{state: Halted}, reason+s.kept())
}

// kept ends the reason of a halt after which nodes keep the candidate.
func (s *step) kept() string { return fmt.Sprintf("; the %d that serve it keep it", s.c.Serving) }

// ended returns a rollout in its last state. Unserved holds the nodes that failed, those that were left out and, when they had their time,
// those without an answer. Suspects that the waves did not reach stay suspects.
func ended(now time.Time, r Rollout, a Assignment, state State, c counts, hadTime bool) Rollout {
	r.State, r.EndTime, r.Progress = state, now, c.Progress
	// An unmanaged gateway is healthy: a later candidate may suit it.
	r.Unserved = c.failing.merge(c.absent).without(c.kept)
	if hadTime {
		r.Unserved = r.Unserved.merge(c.silent)
	}
	r.Unserved = r.Unserved.merge(slices.DeleteFunc(slices.Clone(r.Suspects), a.Has))
	var absentees []Absentee
	for _, who := range r.Absentees {
		if c.absent.has(who.Position) {
			absentees = append(absentees, who)
		}
	}
	r.Suspects, r.LeftOut, r.Absentees = nil, nil, absentees
	return r
}

// missingReports says that a wave may lack nothing but reports of replicas; empty when every replica has reported.
func (c counts) missingReports() string {
	if c.current {
		return ""
	}
	return ", and not every replica says which of its nodes serve it now"
}

func because(failure string) string {
	if failure == "" {
		return ""
	}
	return ": " + failure
}
