// Package apply brings a gateway to what its group decided: it takes directives, loads them, proves them, and answers. What
// to do is decided by Decide, a pure function; the Applier around it does it, one thing at a time, so that there is never
// more than one POST under way.
package apply

import (
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
)

// ReplyTo says where the answer to a directive goes: to its nonce on its stream. The zero value goes nowhere.
type ReplyTo struct {
	Stream uint64 // of this run of the agent, from 1
	Nonce  uint64
}

// Directive is what a node should run.
type Directive struct {
	ReplyTo  ReplyTo
	Snapshot lastgood.Snapshot
	Arrived  time.Time
	// Replaces names what unmanaged gateways may lose by the snapshot; see status.Unmanaged.
	Replaces []string
	Damage   *verdict.Failure // set when the bytes could not be made of what came
	// Canonical are the bytes; nil when the store has them on disk. They must not be modified.
	Canonical []byte
}

// Mailbox holds the one directive that is still to be looked at. A slow gateway skips revisions. The zero value is not
// usable; see NewMailbox.
type Mailbox struct {
	mu   sync.Mutex
	next *Directive
	bell chan struct{} // capacity 1: something is waiting, however often it rings
}

// NewMailbox returns an empty mailbox.
func NewMailbox() *Mailbox { return &Mailbox{bell: make(chan struct{}, 1)} }

// Put never blocks; the newest directive wins. False says that what is waiting is newer: it stays.
func (m *Mailbox) Put(d Directive) bool {
	m.mu.Lock()
	if m.next != nil && m.next.Damage == nil && m.next.Snapshot.Stamp().After(d.Snapshot.Stamp()) {
		m.mu.Unlock()
		return false
	}
	m.next = &d
	m.mu.Unlock()
	select {
	case m.bell <- struct{}{}:
	default:
	}
	return true
}

// Bell rings when something is waiting.
func (m *Mailbox) Bell() <-chan struct{} { return m.bell }

// Take empties the mailbox; false when it is empty.
func (m *Mailbox) Take() (Directive, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		return Directive{}, false
	}
	d := *m.next
	m.next = nil
	return d, true
}

// Superseded reports whether something else than a snapshot is waiting.
func (m *Mailbox) Superseded(by lastgood.Snapshot) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.next != nil && m.next.Damage == nil && !by.Stamp().After(m.next.Snapshot.Stamp()) && m.next.Snapshot.Digest != by.Digest
}
