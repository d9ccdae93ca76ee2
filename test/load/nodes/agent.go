package nodes

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

type agentStream = grpc.BidiStreamingClient[distributorv1.FollowAssignmentRequest, distributorv1.FollowAssignmentResponse]

// An agent follows its assignment as a real one does, and has no gateway: what it was sent, it acks.
type agent struct {
	fleet  *fleet
	node   string
	stream agentStream
	cancel context.CancelFunc

	mu   sync.Mutex
	held *distributorv1.FollowAssignmentRequest // an ack that waits
	last int64                                  // the newest revision that was received whole
}

// follow reads until the stream ends.
func (a *agent) follow() {
	var coming *distributorv1.Directive
	var parts int32
	for {
		m, err := a.stream.Recv()
		if err != nil {
			a.fleet.ended(a, err)
			return
		}
		switch x := m.GetMessage().(type) {
		case *distributorv1.FollowAssignmentResponse_Directive:
			coming, parts = x.Directive, 0
			// What it carries is not kept: a fleet's worth would not fit into one process.
			coming.Delta = nil
		case *distributorv1.FollowAssignmentResponse_DeltaPart:
			parts++
		default:
			continue
		}
		if coming != nil && parts == coming.GetPartCount() {
			a.received(m.GetNonce(), coming)
			coming = nil
		}
	}
}

func (a *agent) received(nonce uint64, d *distributorv1.Directive) {
	now := time.Now().UnixNano()
	answer := ack(nonce, d)
	a.mu.Lock()
	fresh := d.GetRevision() > a.last
	a.last = max(a.last, d.GetRevision())
	hold := a.fleet.hold.Load()
	if hold {
		a.held = answer
	}
	a.mu.Unlock()
	if fresh {
		a.fleet.arrived(d.GetRevision(), now)
	}
	if !hold {
		a.send(answer)
	}
}

// release sends an ack that waits.
func (a *agent) release() {
	a.mu.Lock()
	answer := a.held
	a.held = nil
	a.mu.Unlock()
	if answer != nil {
		a.send(answer)
	}
}

func (a *agent) send(m *distributorv1.FollowAssignmentRequest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.stream.Send(m) // follow learns why not
}
