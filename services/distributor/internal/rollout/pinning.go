package rollout

import (
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Pinning is the second half of a rollback: the sources that brought the bad content are pinned at their last good one, so that the next
// submission of somebody else does not carry it out again. No rollout begins before it is done.
type Pinning struct {
	// Sources are to be pinned as far as the candidate changed them; empty is every source that it changed.
	Sources  []fleet.SourceID `json:"sources,omitempty"`
	Done     bool             `json:"done,omitempty"`
	Pinned   []fleet.SourceID `json:"pinned,omitempty"`
	Revision fleet.Revision   `json:"revision,omitempty"` // the newest one thereafter: an older one does not have the pins
	Problem  string           `json:"problem,omitempty"`  // why nothing was pinned, in words
}

// Due reports whether pins are still to be set for a rollout.
func (p *Pinning) Due() bool { return p != nil && !p.Done }

// blocks reports whether a revision must not be rolled out because of a pinning.
func (p *Pinning) blocks(newest fleet.Revision) bool {
	return p != nil && (!p.Done || newest < p.Revision)
}

// Pinned is the decision that records what came of a pinning.
func Pinned(r Rollout, pinned []fleet.SourceID, revision fleet.Revision, problem string) Decision {
	done := *r.Pinning
	done.Done, done.Pinned, done.Revision, done.Problem = true, pinned, revision, problem
	r.Pinning = &done
	return Decision{Rollout: &r}
}

// pinningFor is the pinning after a refusal when the policy pins; nil when it halts. The sources of the refused objects are known only once
// they were located: see Culprits.
func pinningFor(p Policy) *Pinning {
	if p.OnReject != fleet.RejectPins {
		return nil
	}
	return &Pinning{}
}

// Culprits returns the sources that the refusals name. It is empty when one of them names none: then every source that the candidate
// changed is suspect.
func Culprits(refusals []Refusal) (all []fleet.SourceID) {
	for _, r := range refusals {
		if r.Problem.Source == "" {
			return nil
		}
		all = append(all, r.Problem.Source)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
