// Package apply brings a gateway to what its group decided: it takes directives, loads them, proves them, and reports their
// outcomes. Decide, a pure function, decides what to do. The Applier around it executes one action at a time, so there is never
// more than one POST at a time.
package apply

import (
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// ReplyTo addresses the outcome of a directive: a nonce on a stream. Outcomes for the zero value are dropped.
type ReplyTo struct {
	Stream uint64 // of this run of the agent, from 1
	Nonce  uint64
}

// Directive is what a node should run.
type Directive struct {
	ReplyTo  ReplyTo
	Snapshot lastgood.Snapshot
	Since    fleet.Term  // see fleet.Lineage
	Ends     []fleet.End // see fleet.Lineage
	Arrived  time.Time
	Replaces []string         // the unmanaged configurations that it may replace; see status.Unmanaged
	Damage   *verdict.Failure // set when the snapshot could not be assembled
	// Canonical are the bytes, nil when the store has them on disk. They must not be modified.
	Canonical []byte
}

// Lineage is what the ledger knew of the group's decisions when it made this one.
func (d Directive) Lineage() fleet.Lineage {
	return fleet.Lineage{Last: d.Snapshot.Stamp(), Since: d.Since, Ends: d.Ends}
}

// Mailbox holds the newest directive that was not taken yet, so a slow gateway skips revisions. Use NewMailbox.
type Mailbox struct {
	mu   sync.Mutex
	next *Directive
	bell chan struct{} // capacity 1: a directive is waiting
}

// NewMailbox returns an empty mailbox.
func NewMailbox() *Mailbox { return &Mailbox{bell: make(chan struct{}, 1)} }

// Put replaces the waiting directive and never blocks. It returns false, and changes nothing, when the waiting one is newer.
func (m *Mailbox) Put(d Directive) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next != nil && m.next.Damage == nil && m.next.Snapshot.Stamp().After(d.Snapshot.Stamp()) {
		return false
	}
	m.next = &d
	select {
	case m.bell <- struct{}{}:
	default:
	}
	return true
}

// Bell is sent to when a directive is waiting.
func (m *Mailbox) Bell() <-chan struct{} { return m.bell }

// Take empties the mailbox. It returns false when there is nothing in it.
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

// Superseded reports whether a directive for other content is waiting that is not older than the snapshot.
func (m *Mailbox) Superseded(by lastgood.Snapshot) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.next != nil && m.next.Damage == nil && !by.Stamp().After(m.next.Snapshot.Stamp()) && m.next.Snapshot.Digest != by.Digest
}
