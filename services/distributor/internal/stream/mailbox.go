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
	before fleet.Lineage // up to the decision
	joined bool          // the first one of a session: it does not count for the metrics of propagation
	again  bool          // sent before, and must be sent again
	offer  int           // the number of the offer
}

// A mailbox holds the one directive that a node has yet to receive. A slow node skips revisions and does not delay other nodes.
type mailbox struct {
	mu   sync.Mutex
	next *directive
	bell chan struct{} // capacity 1: a directive is waiting
}

func newMailbox() *mailbox { return &mailbox{bell: make(chan struct{}, 1)} }

// put replaces the waiting directive, and reports whether there was one. It never blocks.
func (m *mailbox) put(d *directive) (replaced bool) {
	m.mu.Lock()
	replaced = m.next != nil
	m.next = d
	m.mu.Unlock()
	m.ring()
	return replaced
}

// putBack puts a directive back that could not be sent, unless a newer one is waiting. It does not ring.
func (m *mailbox) putBack(d *directive) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = d
	}
}

// putAgain puts a sent directive back to be sent again, unless a newer one is waiting.
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
