package apply

import (
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// seen judges a look at the gateway.
func (s State) seen(at Moment, e Seen) (State, []Action) {
	if e.Err != nil {
		// Whatever it was proven to serve, it may return with something else.
		s.Looked, s.Reachable, s.Ready, s.Proven = true, false, false, false
		return s, nil
	}
	var actions []Action
	returned := !s.Reachable
	if returned || s.Workers != e.Sighting.Workers {
		// A gateway that was not known, or other processes than before: it may be another Kong.
		s.Proven = false
		actions = append(actions, Inspect{})
	}
	s.Looked, s.Reachable, s.Ready, s.Unready, s.Workers = true, true, e.Sighting.Ready, e.Sighting.Unready, e.Sighting.Workers
	if returned && s.Failure.Reason == verdict.Unreachable && !s.RetryAt.IsZero() {
		s.RetryAt = at.Now
	}
	if len(s.Left) == 0 {
		// The first look: what the disk holds is what should be found, and whoever finds nothing else to say restores it.
		if s.Good.Digest == "" || at.Now.Before(s.RestoreAt) {
			return s, actions
		}
		return s, append(actions, Restore{s.Good})
	}
	hashes := make([]fleet.GatewayHash, len(s.Left))
	for i, l := range s.Left {
		hashes[i] = l.Hash
	}
	was, wasFound := s.Finding, s.Found
	s.Finding, s.Found = drift.Judge(hashes, e.Sighting.Hash), e.Sighting.Hash
	if s.Finding == drift.Same {
		s.Left = slices.Clone(slices.DeleteFunc(slices.Clone(s.Left), func(l Leaving) bool { return l.Hash != e.Sighting.Hash }))[:1]
		s.RestoreErr = ""
		// What was loaded and is not proven is what a retry is for, unless there is none.
		if !s.Proven && (s.RetryAt.IsZero() || s.Left[0].Snapshot.Digest != s.Wanted.Digest) {
			actions = append(actions, Verify{s.Left[0]})
		}
		return s, actions
	}
	s.Proven = false
	restores := e.Policy.Restores(s.Finding)
	if was != s.Finding || wasFound != s.Found {
		s.Drifts++
		actions = append(actions, Drifted{Finding: s.Finding, Healing: restores})
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
