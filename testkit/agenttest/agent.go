// Package agenttest is an agent without a gateway. It follows its assignment, applies deltas as the contract requires, answers as
// configured, and records what it received. It is for tests and benchmarks and proves nothing.
package agenttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// A Verdict is the agent's answer about a snapshot.
type Verdict int

// The verdicts.
const (
	Ack    Verdict = iota
	Nack           // and the digest is remembered
	Fail           // the gateway does not answer
	Silent         // no answer
)

// Config is the identity of an agent and how it answers. Group, Node and Conn are required.
type Config struct {
	Group, Node string
	Conn        func() grpc.ClientConnInterface // called at each connect
	Answer      func(canonical []byte, d *distributorv1.Directive) Verdict
	Problems    []*fleetv1.Problem                   // what a Nack says
	Hold        <-chan struct{}                      // no message is received before this is closed
	Seen        func(*Agent, Seen)                   // called for each directive, after it was answered
	Hello       func(h *distributorv1.Hello)         // changes the hello
	Evidence    func(*Agent) *distributorv1.Evidence // called as often as the distributor asks for it; nil: the agent has none
}

// Seen is a directive that arrived.
type Seen struct {
	Revision fleet.Revision
	Digest   fleet.Digest
	Epoch    fleet.Epoch
	Decision fleet.Decision
	Term     fleet.Term
	TermID   fleet.TermID
	Base     fleet.Digest // of its delta; empty without one, or without base
	Delta    bool
	Parts    int
	Verdict  Verdict
	At       time.Time
	Err      error // why it could not be made into its snapshot
}

// Stamp is that of the decision.
func (s Seen) Stamp() fleet.Stamp {
	return fleet.Stamp{Epoch: s.Epoch, Decision: s.Decision, Term: s.Term, TermID: s.TermID}
}

// An Agent runs until its context ends.
type Agent struct {
	c Config

	mu       sync.Mutex
	history  []Seen
	holds    map[fleet.Digest][]byte
	serving  Seen
	followed fleet.Stamp
	refused  map[fleet.Digest]bool
	bytes    int64

	targetSets []*distributorv1.TargetSet
	opened     int
	boot       int
}

// New returns an agent that holds nothing.
func New(c Config) *Agent {
	return &Agent{c: c, holds: map[fleet.Digest][]byte{}, refused: map[fleet.Digest]bool{}}
}

// Run keeps a stream open until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	for {
		wait, _ := a.follow(ctx)
		if err := backoff.Sleep(ctx, max(wait, 20*time.Millisecond)); err != nil {
			return err
		}
	}
}

func (a *Agent) follow(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := distributorv1.NewDeliveryServiceClient(a.c.Conn()).FollowAssignment(ctx)
	if err != nil {
		return 0, err
	}
	if err := stream.Send(&distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Hello{
		Hello: a.hello()}}); err != nil {
		return 0, err
	}
	if _, err := stream.Header(); err != nil {
		return 0, err
	}
	a.mu.Lock()
	a.opened++
	a.mu.Unlock()
	if a.c.Hold != nil {
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-a.c.Hold:
		}
	}
	var directive *distributorv1.Directive
	var nonce uint64
	parts := 0
	var sending sync.Mutex // a stream is sent to by one at a time
	watch := func() {}
	defer func() { watch() }()
	for {
		m, err := stream.Recv()
		if err != nil {
			return 0, err
		}
		a.mu.Lock()
		a.bytes += int64(proto.Size(m)) + 5
		a.mu.Unlock()
		switch {
		case m.GetReconnect() != nil:
			return m.GetReconnect().GetWithin().AsDuration() / 2, nil
		case m.GetWatch() != nil:
			watch()
			watch = a.observe(ctx, m.GetWatch().GetInterval().AsDuration(), &sending, stream)
			continue
		case m.GetTargetSet() != nil:
			a.mu.Lock()
			a.targetSets = append(a.targetSets, m.GetTargetSet())
			a.mu.Unlock()
			continue
		case m.GetDirective() != nil:
			directive, nonce, parts = m.GetDirective(), m.GetNonce(), 0
		case directive == nil || m.GetNonce() != nonce || int(m.GetDeltaPart().GetNumber()) != parts+1:
			return 0, errors.New("a part that belongs to nothing")
		default:
			parts++
			directive.Delta.Operations = append(directive.Delta.Operations, m.GetDeltaPart().GetOperations()...)
		}
		if parts < int(directive.GetPartCount()) {
			continue
		}
		seen, outcome := a.load(directive, nonce, parts)
		directive = nil
		if outcome != nil {
			sending.Lock()
			err := stream.Send(&distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Outcome{
				Outcome: outcome}})
			sending.Unlock()
			if err != nil {
				return 0, err
			}
		}
		if a.c.Seen != nil {
			a.c.Seen(a, seen)
		}
	}
}

func (a *Agent) hello() *distributorv1.Hello {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.boot++
	h := &distributorv1.Hello{
		Group: a.c.Group, Node: a.c.Node, BootId: fmt.Sprint(a.boot), ServingDigest: string(a.serving.Digest),
		ServingRevision: int64(a.serving.Revision),
		HeldDigest:      string(a.serving.Digest), Epoch: int64(a.followed.Epoch), Decision: int64(a.followed.Decision),
		Term: int64(a.followed.Term), TermId: int64(a.followed.TermID),
	}
	if n := len(a.targetSets); n > 0 {
		h.TargetSetEpoch, h.TargetSetVersion = a.targetSets[n-1].GetEpoch(), a.targetSets[n-1].GetVersion()
	}
	for d := range a.refused {
		h.Refused = append(h.Refused, &distributorv1.Refused{Digest: string(d), Problems: a.c.Problems})
	}
	if a.c.Hello != nil {
		a.c.Hello(h)
	}
	return h
}

// load makes the snapshot of a directive and decides the answer.
func (a *Agent) load(d *distributorv1.Directive, nonce uint64, parts int) (Seen, *distributorv1.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := Seen{
		Revision: fleet.Revision(d.GetRevision()), Digest: fleet.Digest(d.GetDigest()), Term: fleet.Term(d.GetTerm()),
		TermID: fleet.TermID(d.GetTermId()), Epoch: fleet.Epoch(d.GetEpoch()), Decision: fleet.Decision(d.GetDecision()),
		Base: fleet.Digest(d.GetDelta().GetBaseDigest()), Delta: d.GetDelta() != nil, Parts: parts, At: time.Now(),
	}
	outcome := &distributorv1.Outcome{Nonce: nonce, Decision: d.GetDecision(), Digest: d.GetDigest()}
	fail := func(reason distributorv1.Failure_Reason, text string) {
		outcome.Verdict = &distributorv1.Outcome_Failure{Failure: &distributorv1.Failure{Reason: reason, Message: text,
			ServingDigest: string(a.serving.Digest), Attempts: 1}}
	}
	defer func() { a.history = append(a.history, seen) }()
	offered := fleet.Lineage{Last: seen.Stamp(), Since: fleet.Term(d.GetSinceTerm())}
	for _, e := range d.GetEnds() {
		offered.Ends = append(offered.Ends, fleet.End{Term: fleet.Term(e.GetTerm()), ID: fleet.TermID(e.GetTermId()),
			Decision: fleet.Decision(e.GetDecision())})
	}
	if !offered.Covers(a.followed) {
		seen.Err = errors.New("older than what was followed, or of a ledger that lost that")
		fail(distributorv1.Failure_REASON_STALE_DECISION, "older decision")
		return seen, outcome
	}
	a.followed = seen.Stamp()
	canonical, err := a.make(d)
	if err != nil {
		seen.Err = err
		fail(distributorv1.Failure_REASON_BAD_DELTA, err.Error())
		return seen, outcome
	}
	if a.c.Answer != nil {
		seen.Verdict = a.c.Answer(canonical, d)
	}
	switch seen.Verdict {
	case Ack:
		a.serving = seen
		// Like a real agent, it keeps what it serves and what came last.
		a.holds = map[fleet.Digest][]byte{seen.Digest: canonical}
		outcome.Verdict = &distributorv1.Outcome_Ack{Ack: &distributorv1.Ack{Proof: fleetv1.Proof_PROOF_WORKER}}
	case Nack:
		a.refused[seen.Digest] = true
		outcome.Verdict = &distributorv1.Outcome_Nack{Nack: &distributorv1.Nack{Problems: a.c.Problems, ServingDigest: string(a.serving.Digest)}}
	case Fail:
		fail(distributorv1.Failure_REASON_GATEWAY_UNREACHABLE, "the gateway does not answer")
	case Silent:
		return seen, nil
	}
	return seen, outcome
}

func (a *Agent) make(d *distributorv1.Directive) ([]byte, error) {
	if d.GetDelta() == nil {
		canonical, ok := a.holds[fleet.Digest(d.GetDigest())]
		if !ok {
			return nil, errors.New("the snapshot is not held")
		}
		return canonical, nil
	}
	delta := snapshot.Delta{BaseDigest: fleet.Digest(d.GetDelta().GetBaseDigest()), Digest: fleet.Digest(d.GetDelta().GetDigest()),
		Size: d.GetDelta().GetSize()}
	for _, op := range d.GetDelta().GetOperations() {
		if c := op.GetCopy(); c != nil {
			delta.Ops = append(delta.Ops, snapshot.Op{Copy: &snapshot.Copy{Offset: c.GetOffset(), Length: c.GetLength()}})
			continue
		}
		x := op.GetData()
		delta.Ops = append(delta.Ops, snapshot.Op{Data: &snapshot.Data{Zstd: x.GetZstd(), RawLength: x.GetRawLength(),
			DictOffset: x.GetDictOffset(), DictLength: x.GetDictLength()}})
	}
	base, ok := a.holds[delta.BaseDigest]
	if delta.BaseDigest != "" && !ok {
		return nil, errors.New("the base is not held")
	}
	return snapshot.Apply(base, delta, fleet.Digest(d.GetDigest()))
}

// Lose discards all bytes that the agent holds, but not its record of them.
func (a *Agent) Lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.holds)
}

// History returns what arrived, in order.
func (a *Agent) History() []Seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Seen(nil), a.history...)
}

// Serving returns the directive that the agent serves; the zero Seen is none.
func (a *Agent) Serving() Seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.serving
}

// Received returns the bytes of all messages received, with gRPC's header of each.
func (a *Agent) Received() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}

// TargetSets returns the sets of drained targets that the agent received, the oldest first.
func (a *Agent) TargetSets() []*distributorv1.TargetSet {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.targetSets)
}

// Opened returns how many streams the distributor has answered.
func (a *Agent) Opened() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened
}

// observe sends evidence until the returned function is called.
func (a *Agent) observe(ctx context.Context, interval time.Duration, sending *sync.Mutex,
	stream grpc.BidiStreamingClient[distributorv1.FollowAssignmentRequest, distributorv1.FollowAssignmentResponse]) (stop func()) {
	if interval <= 0 || a.c.Evidence == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			sending.Lock()
			err := stream.Send(&distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Evidence{
				Evidence: a.c.Evidence(a)}})
			sending.Unlock()
			if err != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}
