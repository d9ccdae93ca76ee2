package lastgood

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Memory is what an agent must not forget when it restarts.
type Memory struct {
	// Decision is the last that was followed; older ones are refused.
	Decision fleet.Decision `json:"decision"`
	Term     fleet.Term     `json:"term"`
	// Refused are digests that the gateway turned down, oldest first, at most MaxRefused.
	Refused []Refused `json:"refused,omitempty"`
	// Judge identifies the gateway that refused them; another one may judge differently.
	Judge string `json:"judge,omitempty"`
	// Serving is what was proven last. It differs from the last known good on disk in its revision only, when an old
	// content came back under a new one.
	Serving Snapshot `json:"serving"`
	// Form and Expressions say how the bytes of the boot file were made, to mend it before the gateway answers.
	Form        string `json:"form,omitempty"`
	Expressions bool   `json:"expressions,omitempty"`
}

// Refused is a digest that the gateway turned down, and why.
type Refused struct {
	Digest   fleet.Digest      `json:"digest"`
	Problems []verdict.Problem `json:"problems"`
}

// MaxRefused is how many refused digests are remembered.
const MaxRefused = 16

// Remember writes the memory durably.
func (s *Store) Remember(m Memory) error {
	if err := s.write(memoryFile, m, nil); err != nil {
		return fmt.Errorf("write the agent's memory: %w", err)
	}
	return nil
}

// Recall reads the memory. A damaged one is an ErrCorrupt, and as much of it as the snapshots on disk still tell.
func (s *Store) Recall() (Memory, error) {
	var m Memory
	content, err := os.ReadFile(s.path(memoryFile))
	if err == nil {
		_, err = decode(content, &m)
	}
	if err != nil {
		m = Memory{}
	}
	s.mu.Lock()
	for _, known := range []Snapshot{s.current, s.previous} {
		if known.Decision > m.Decision {
			m.Decision, m.Term = known.Decision, known.Term
		}
	}
	s.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return m, err
}
