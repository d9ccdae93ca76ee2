package lastgood

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// Memory is the state that an agent keeps across restarts. It holds no times: waits start again after a restart, so a wall
// clock that was set does no harm.
type Memory struct {
	// Epoch and Decision are of the last decision that was followed; older ones are refused. A file without an epoch has epoch 0.
	Epoch    fleet.Epoch    `json:"epoch,omitempty"`
	Decision fleet.Decision `json:"decision"`
	Term     fleet.Term     `json:"term"`
	// TermID is of the same decision. It is meant in its group only: other groups get their decisions in other terms.
	TermID fleet.TermID  `json:"term_id,omitempty"`
	Group  fleet.GroupID `json:"group,omitempty"`
	// Refused are the digests that the gateway refused, oldest first, at most MaxRefused.
	Refused []Refused `json:"refused,omitempty"`
	// Fingerprint identifies the gateway that refused them; another one may not refuse them.
	Fingerprint string `json:"judge,omitempty"`
	// Kong is the version of the gateway that was seen last.
	Kong string `json:"kong,omitempty"`
	// Serving is what was proven last. It differs from the last known good on disk in its revision only, when an old
	// content came back under a new one.
	Serving Snapshot `json:"serving"`
	// Form and Expressions say how the bytes of the boot file were made, to mend it before the gateway answers.
	Form        string `json:"form,omitempty"`
	Expressions bool   `json:"expressions,omitempty"`
	// Known are hashes of what this agent posted, oldest first, at most MaxKnown: they distinguish our own older configurations from
	// others.
	Known []Known `json:"known,omitempty"`
	// Loads are the last loads that were measured, oldest first, at most cost.MaxSamples.
	Loads []cost.Sample `json:"loads,omitempty"`
	// Boot is the hash of the boot file as the agent wrote it. With another hash, another program changed the file.
	Boot fleet.GatewayHash `json:"boot,omitempty"`
}

// Stamp is the place of the last decision that was followed among all decisions.
func (m Memory) Stamp() fleet.Stamp {
	return fleet.Stamp{Epoch: m.Epoch, Decision: m.Decision, Term: m.Term, TermID: m.TermID}
}

// In returns the memory of an agent that is in a group now. When it was in another one, the term of what it follows says nothing there.
func (m Memory) In(group fleet.GroupID) Memory {
	if m.Group != group {
		m.Group, m.TermID = group, 0
	}
	return m
}

// Follow returns the memory of an agent that follows the decision of a snapshot.
func (m Memory) Follow(s Snapshot) Memory {
	m.Epoch, m.Decision, m.Term, m.TermID = s.Epoch, s.Decision, s.Term, s.TermID
	return m
}

// Known is the hash under which a gateway runs, or would run, a snapshot.
type Known struct {
	Hash     fleet.GatewayHash `json:"hash"`
	Digest   fleet.Digest      `json:"digest"`
	Revision fleet.Revision    `json:"revision"`
	Refused  bool              `json:"refused,omitempty"`
}

// MaxKnown is how many hashes are remembered.
const MaxKnown = 16

// Refused is a digest that the gateway refused, and the reasons.
type Refused struct {
	Digest   fleet.Digest      `json:"digest"`
	Problems []verdict.Problem `json:"problems"`
}

// MaxRefused is how many refused digests are remembered.
const MaxRefused = 16

// Remember writes the memory durably.
func (s *Store) Remember(m Memory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(memoryFile, m, nil)
}

// Recall reads the memory. For a damaged one it returns ErrCorrupt, and the stamp of the newest snapshot on disk.
func (s *Store) Recall() (Memory, error) {
	var m Memory
	err := s.recall(memoryFile, &m)
	if err != nil {
		m = Memory{}
	}
	s.mu.Lock()
	for _, known := range []Snapshot{s.current, s.previous} {
		if known.Stamp().After(m.Stamp()) {
			m = m.Follow(known)
		}
	}
	s.mu.Unlock()
	return m, err
}

// recall reads a file without a body; one that is not there leaves the header as it is.
func (s *Store) recall(name string, header any) error {
	content, err := readFile(s.path(name))
	if err == nil {
		_, err = decode(content, header)
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil
	}
	s.moveAside(name)
	return cause(err)
}
