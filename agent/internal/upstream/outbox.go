package upstream

import (
	"sync"
	"sync/atomic"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
)

// maxOutcomes bounds the outcomes that wait for a slow stream. The oldest is dropped, because a newer outcome supersedes it.
const maxOutcomes = 16

// Outbox holds the outcomes that the open stream is to send. Its methods never block, and are safe for concurrent use.
type Outbox struct {
	stream atomic.Uint64 // number of the open stream, from 1
	bell   chan struct{} // capacity 1: outcomes are waiting
	reopen chan struct{} // capacity 1: the stream is to end

	mu       sync.Mutex
	outcomes []apply.Outcome
}

// NewOutbox returns an empty outbox.
func NewOutbox() *Outbox {
	return &Outbox{bell: make(chan struct{}, 1), reopen: make(chan struct{}, 1)}
}

// Reopen ends the open stream, so that the next one begins with a new hello.
func (o *Outbox) Reopen() {
	select {
	case o.reopen <- struct{}{}:
	default:
	}
}

// Report sends an outcome if the stream of its directive is still open. Otherwise the next hello says what came of it.
func (o *Outbox) Report(outcome apply.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if outcome.ReplyTo.Stream == 0 || outcome.ReplyTo.Stream != o.stream.Load() {
		return
	}
	o.outcomes = append(o.outcomes, outcome)
	o.outcomes = o.outcomes[max(0, len(o.outcomes)-maxOutcomes):]
	select {
	case o.bell <- struct{}{}:
	default:
	}
}

// open numbers the next stream, and drops the outcomes of older ones.
func (o *Outbox) open() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outcomes = nil
	return o.stream.Add(1)
}

func (o *Outbox) take() []apply.Outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.outcomes
	o.outcomes = nil
	return all
}
