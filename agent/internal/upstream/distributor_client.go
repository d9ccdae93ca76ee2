package upstream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
	"github.com/silverback-gateway/silverback/agent/internal/health"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// Identity identifies the agent to the control plane.
type Identity struct {
	Group        fleet.GroupID
	Node         fleet.NodeID
	BootID       string
	Succeeds     string // boot id of the previous run
	Version      string
	Labels       map[string]string
	ProxyAddress string
	HTTPAddress  string
}

// Dial opens a connection to one replica of a service; another call may reach another replica.
type Dial func() (*grpc.ClientConn, error)

// DistributorClient keeps a stream to a distributor. Nothing else puts directives into the mailbox.
type DistributorClient struct {
	Identity Identity
	Dial     Dial
	Store    *lastgood.Store
	Mailbox  *apply.Mailbox
	Outbox   *Outbox
	Status   *status.Tracker
	Log      *slog.Logger
	Received func(bytes int) // called with the size of each message on the wire
	Refused  func() []lastgood.Refused
	Health   Observer
	Targets  Targets

	traces traces // of the open stream's directives
}

// Targets keeps targets out of the gateway's balancers.
type Targets interface {
	Receive(lastgood.Targets)
	Stamp() fleet.Stamp
}

// An Observer samples evidence at the interval that a distributor sets.
type Observer interface {
	Observe(interval time.Duration)
	Evidence() <-chan health.Evidence
}

// retries spaces the calls and streams that follow failures.
var retries = backoff.Policy{Base: 100 * time.Millisecond, Cap: 3 * time.Second, Jitter: 0.5}

const (
	// settled is how long a stream must have lasted for the next failure to count as the first.
	settled = 5 * time.Second
	// unreachableAfter is how long the control plane may be away before that is a condition.
	unreachableAfter = 10 * time.Second
)

// Run keeps a stream open until ctx ends.
func (c *DistributorClient) Run(ctx context.Context) error {
	retry, since := backoff.Backoff{Policy: retries}, time.Now()
	for {
		// The directives of two agents with one name cannot be told apart, so this agent takes none.
		for c.Status.View().NameTaken {
			if err := backoff.Sleep(ctx, backoff.Jitter(retries.Cap, retries.Jitter)); err != nil {
				return err
			}
		}
		began := time.Now()
		opened, wait, err := c.follow(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if opened {
			since = time.Now()
		}
		c.Status.Update(func(v *status.View) { v.Connected = false })
		if opened && time.Since(began) > settled || wait > 0 {
			retry.Reset()
		}
		if wait == 0 {
			wait = retry.Next()
			c.Log.Debug("stream to the distributor ended", "error", err, "retry_after", wait)
		}
		if noteRevoked(c.Status, c.Log, c.Identity, "distributor", err) {
			wait = backoff.Jitter(revokedWait, 0.5)
		} else if time.Since(since) > unreachableAfter {
			c.Status.Raise("DistributorUnreachable", "no stream to a distributor: "+reason(err), time.Now())
		}
		if err := backoff.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// reason is the part of a call's error that may be shown.
func reason(err error) string {
	if s, ok := grpcstatus.FromError(err); ok && s.Code() != codes.OK {
		return s.Code().String() + ": " + rpc.Message(s)
	}
	return "the connection ended"
}

// follow opens one stream and serves it until it ends. Opened means that the distributor answered. Wait is the time to the reconnect that
// the distributor requested; 0 means that it requested none.
func (c *DistributorClient) follow(ctx context.Context) (opened bool, wait time.Duration, err error) {
	conn, err := c.Dial()
	if err != nil {
		return false, 0, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := distributorv1.NewDeliveryServiceClient(conn).FollowAssignment(ctx)
	if err != nil {
		return false, 0, err
	}
	c.Health.Observe(0) // until this distributor requests evidence
	id := c.Outbox.open()
	c.traces.forget()
	if err := stream.Send(&distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Hello{
		Hello: c.hello()}}); err != nil && !errors.Is(err, io.EOF) {
		return false, 0, err
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		defer cancel()
		c.send(ctx, stream)
	})
	defer sending.Wait()
	defer cancel() // before waiting
	if _, err := stream.Header(); err == nil {
		c.connected()
	}
	var coming *assembly
	for {
		m, err := stream.Recv()
		if err != nil {
			return opened, 0, err
		}
		opened = true
		c.connected()
		c.received(proto.Size(m) + frameHeader)
		switch x := m.GetMessage().(type) {
		case *distributorv1.FollowAssignmentResponse_Reconnect:
			return true, backoff.Jitter(max(x.Reconnect.GetWithin().AsDuration(), 0), 1) + time.Millisecond, nil
		case *distributorv1.FollowAssignmentResponse_Watch:
			c.Health.Observe(x.Watch.GetInterval().AsDuration())
			continue
		case *distributorv1.FollowAssignmentResponse_TargetSet:
			if set, ok := targetsOf(x.TargetSet); ok {
				c.Targets.Receive(set)
			} else {
				c.Log.Warn("a set of drained targets is larger than the contract allows; it is not obeyed")
			}
			continue
		case *distributorv1.FollowAssignmentResponse_Directive:
			coming, err = begin(m.GetNonce(), x.Directive)
		case *distributorv1.FollowAssignmentResponse_DeltaPart:
			if coming == nil {
				continue // a part of a directive that failed
			}
			err = coming.add(m.GetNonce(), x.DeltaPart)
		default:
			continue // a message of a later version
		}
		if err != nil || coming.complete() {
			c.deliver(id, coming, err)
			coming = nil
		}
	}
}

// frameHeader is the size of the gRPC header of a message, in bytes.
const frameHeader = 5

func (c *DistributorClient) received(bytes int) {
	c.Received(bytes)
	c.Status.Update(func(v *status.View) { v.ReceivedBytes += int64(bytes) })
}

func (c *DistributorClient) connected() {
	if c.Status.View().Connected {
		return
	}
	c.Status.Update(func(v *status.View) { v.Connected = true })
	c.Status.Clear("DistributorUnreachable")
	noteRevoked(c.Status, c.Log, c.Identity, "distributor", nil)
}

// deliver assembles the snapshot of a directive and puts it into the mailbox.
func (c *DistributorClient) deliver(stream uint64, a *assembly, err error) {
	d := apply.Directive{
		ReplyTo: apply.ReplyTo{Stream: stream, Nonce: a.nonce},
		Snapshot: lastgood.Snapshot{
			Digest: fleet.Digest(a.directive.GetDigest()), Revision: fleet.Revision(a.directive.GetRevision()),
			Epoch: fleet.Epoch(a.directive.GetEpoch()), Decision: fleet.Decision(a.directive.GetDecision()), Term: fleet.Term(a.directive.GetTerm()),
			TermID: fleet.TermID(a.directive.GetTermId()),
		},
		Since: fleet.Term(a.directive.GetSinceTerm()), Ends: endsOf(a.directive),
		Arrived: time.Now(), Replaces: a.directive.GetReplacesUnmanaged(),
	}
	c.traces.arrived(d, telemetry.TraceParent(a.directive.GetTraceparent()))
	stale := !d.Lineage().Covers(c.Status.View().Stamp())
	switch {
	case err != nil, stale: // the directive will be refused
	case a.directive.GetDelta() == nil:
		// Without a delta, the agent must hold the snapshot already.
		_, err = c.Store.Bytes(d.Snapshot.Digest)
	default:
		var canonical []byte
		if canonical, err = a.make(c.Store.Bytes); err == nil {
			d.Canonical = canonical
			c.Store.Receive(d.Snapshot.Digest, canonical)
		}
	}
	if err != nil {
		c.Log.Warn("snapshot of a directive not assembled", "revision", d.Snapshot.Revision, "error", err)
		d.Damage = &verdict.Failure{Reason: verdict.BadDelta, Message: "the snapshot cannot be assembled from the delta: " + err.Error()}
	}
	if !c.Mailbox.Put(d) {
		c.Outbox.Report(apply.Outcome{ReplyTo: d.ReplyTo, Snapshot: d.Snapshot, Failure: &verdict.Failure{
			Reason: verdict.StaleDecision, Message: "a newer decision is already waiting",
		}})
	}
}

// send sends outcomes and evidence until ctx or the stream ends, or the stream must be reopened.
func (c *DistributorClient) send(ctx context.Context, stream grpc.BidiStreamingClient[distributorv1.FollowAssignmentRequest,
	distributorv1.FollowAssignmentResponse]) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Outbox.reopen:
			return
		case e := <-c.Health.Evidence():
			if stream.Send(&distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Evidence{
				Evidence: evidenceToProto(e)}}) != nil {
				return
			}
		case <-c.Outbox.bell:
		}
		for _, a := range c.Outbox.take() {
			o := outcomeToProto(a)
			o.Traceparent = string(c.traces.answered(a, time.Now(), telemetry.Group, c.Identity.Group, telemetry.Node, c.Identity.Node,
				telemetry.Revision, a.Snapshot.Revision))
			m := &distributorv1.FollowAssignmentRequest{Message: &distributorv1.FollowAssignmentRequest_Outcome{Outcome: o}}
			if stream.Send(m) != nil {
				return // Recv learns why
			}
		}
	}
}

func (c *DistributorClient) hello() *distributorv1.Hello {
	v := c.Status.View()
	h := &distributorv1.Hello{
		Group: string(c.Identity.Group), Node: string(c.Identity.Node), BootId: c.Identity.BootID, AgentVersion: c.Identity.Version,
		HeldDigest: string(c.Store.Held()), Epoch: v.Epoch, Decision: v.Decision, Term: v.Term, TermId: v.TermID,
		ReportsEvidence: true,
	}
	kept := c.Targets.Stamp()
	h.TargetSetEpoch, h.TargetSetVersion = int64(kept.Epoch), int64(kept.Decision)
	// The outcome of a load under way is not known, so the hello does not claim what was proven before it.
	if v.Proven && !v.LoadDecided {
		h.ServingDigest, h.ServingRevision = v.Digest, v.Revision
	}
	for _, r := range c.Refused() {
		h.Refused = append(h.Refused, &distributorv1.Refused{Digest: string(r.Digest), Problems: problems(r.Problems)})
	}
	return h
}
