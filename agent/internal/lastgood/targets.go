package lastgood

import (
	"fmt"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
)

// targetsFile holds what the gateway keeps out. It is a file of its own, because it may change during a load.
const targetsFile = "targets"

// Targets are the targets of upstreams that the gateway is to keep out of its balancers, and those that it is to let in again.
type Targets struct {
	Epoch     fleet.Epoch    `json:"epoch"`
	Version   fleet.Decision `json:"version"`
	Out       []target.Name  `json:"out,omitempty"`       // sorted
	Releasing []target.Name  `json:"releasing,omitempty"` // sorted; none of them is in Out
}

// Stamp orders sets of targets.
func (t Targets) Stamp() fleet.Stamp { return fleet.Stamp{Epoch: t.Epoch, Decision: t.Version} }

// RememberTargets writes targets durably.
func (s *Store) RememberTargets(t Targets) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.write(targetsFile, t, nil); err != nil {
		return fmt.Errorf("write the drained targets: %w", err)
	}
	return nil
}

// RecallTargets reads targets; none when there are none. A damaged file is an ErrCorrupt, and no longer in the way of the next.
func (s *Store) RecallTargets() (Targets, error) {
	var t Targets
	if err := s.recall(targetsFile, &t); err != nil {
		return Targets{}, fmt.Errorf("read the drained targets: %w", err)
	}
	return t, nil
}
