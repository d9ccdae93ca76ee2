package stream

import (
	"sync"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// A directive is what one node should run.
type directive struct {
	rollout.Target
	stamp  fleet.Stamp
	term   fleet.Term
	joined bool // it greets a session: how long ago its revision was made says nothing about propagation
	again  bool // sent before, and to be sent once more
	offer  int  // counts what the session was offered
}

// A mailbox holds the one directive that a node has yet to receive. A slow node skips revisions; it never makes the fleet
// wait.
type mailbox struct {
	mu   sync.Mutex
	next *directive
	bell chan struct{} // capacity 1: something is waiting, however often it rings
}

func newMailbox() *mailbox { return &mailbox{bell: make(chan struct{}, 1)} }

// put replaces what waits, and reports whether something did. It never blocks.
func (m *mailbox) put(d *directive) (replaced bool) {
	m.mu.Lock()
	replaced = m.next != nil
	m.next = d
	m.mu.Unlock()
	m.ring()
	return replaced
}

// putBack returns what was taken and could not be sent, unless something newer came meanwhile. It does not ring.
func (m *mailbox) putBack(d *directive) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = d
	}
}

// putAgain returns what was sent and is to be sent once more, unless something newer came meanwhile.
func (m *mailbox) putAgain(d *directive) {
	m.putBack(d)
	m.ring()
}

func (m *mailbox) ring() {
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() *directive {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.next
	m.next = nil
	return d
}

func (m *mailbox) waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.next != nil
}
