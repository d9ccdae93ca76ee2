package rollout

import (
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Pinning is the second half of a rollback: the sources of the bad content are pinned at their last good content. Otherwise the next
// submission to another source would roll the bad content out again. No rollout begins before the pinning is done.
type Pinning struct {
	// Sources are pinned as far as the candidate changed them; empty means every source that it changed.
	Sources  []fleet.SourceID `json:"sources,omitempty"`
	Done     bool             `json:"done,omitempty"`
	Pinned   []fleet.SourceID `json:"pinned,omitempty"`
	Revision fleet.Revision   `json:"revision,omitempty"` // the newest one after the pinning; older ones lack the pins
	Problem  string           `json:"problem,omitempty"`  // why nothing was pinned
}

// Due reports whether pins are still to be set for a rollout.
func (p *Pinning) Due() bool { return p != nil && !p.Done }

// blocks reports whether a pinning keeps a revision from being rolled out.
func (p *Pinning) blocks(newest fleet.Revision) bool {
	return p != nil && (!p.Done || newest < p.Revision)
}

// Pinned returns the decision that records the result of a pinning.
func Pinned(r Rollout, pinned []fleet.SourceID, revision fleet.Revision, problem string) Decision {
	done := *r.Pinning
	done.Done, done.Pinned, done.Revision, done.Problem = true, pinned, revision, problem
	r.Pinning = &done
	return Decision{Rollout: &r}
}

// pinningFor returns the pinning after a refusal; nil when the policy only halts. Culprits names the sources later, once the refused
// entities are located.
func pinningFor(p Policy) *Pinning {
	if p.OnReject != fleet.RejectPins {
		return nil
	}
	return &Pinning{}
}

// Culprits returns the sources that the refusals name. It is empty when a refusal names none: then every source that the candidate changed
// is suspect.
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
