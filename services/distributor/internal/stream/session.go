package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// maxRefused bounds the refused digests that are remembered of a node. It is part of the contract.
const maxRefused = 16

// sendRetries are the pauses after a directive that could not be sent because its content could not be read.
var sendRetries = backoff.Policy{Base: 200 * time.Millisecond, Cap: 5 * time.Second, Jitter: 0.5}

type serverStream = grpc.BidiStreamingServer[distributorv1.FollowAssignmentRequest, distributorv1.FollowAssignmentResponse]

// A session is one agent's stream. The handler's goroutine writes and a second one reads. Neither holds a lock while it waits for the node.
type session struct {
	hub      *Hub
	group    *group
	node     fleet.NodeID
	boot     string // of its agent
	position uint64
	box      *mailbox
	reports  bool               // the agent can send evidence
	watch    chan time.Duration // capacity 1: the new interval of evidence
	keep     chan *frame        // capacity 1: what to keep out, when it has changed
	end      chan error         // capacity 1: why to end the stream; nil asks the agent to reconnect elsewhere
	nonce    uint64             // only the writer changes it, under mu

	mu       sync.Mutex
	assigned rollout.Target // the last target in the mailbox
	offered  int            // how often the mailbox got a directive
	handled  int            // the last offer that was sent or found needless
	last     directive      // the last directive sent, or what the hello says; its stamp is what the node followed last or refused as older
	followed fleet.Stamp    // the last decision that the node is known to follow
	stale    fleet.Stamp    // the decision that the node refused as older; zero when it refused none
	behind   string         // why the ledger is behind the node, confirmed by etcd; empty when it is not
	held     fleet.Digest   // a delta can be based on it
	serving  fleet.Digest   // proven by the answer to the newest directive, or by the hello before any; empty while an answer is due
	failing  fleet.Digest   // like serving
	kept     bool           // it fails because the gateway is unmanaged and would lose something
	failure  string
	badDelta int // in a row
	refused  map[fleet.Digest][]rollout.Problem
	// A node in quarantine gets no directives and does not count.
	quarantined bool
	observation observation
	keeps       fleet.Stamp // of the last set of targets that the agent has, or is about to be sent
}

func newSession(h *Hub, g *group, hello *distributorv1.Hello) *session {
	s := &session{
		hub: h, group: g, node: fleet.NodeID(hello.GetNode()), boot: hello.GetBootId(), position: fleet.Position(g.id,
			fleet.NodeID(hello.GetNode())),
		box: newMailbox(), reports: hello.GetReportsEvidence(), watch: make(chan time.Duration, 1), keep: make(chan *frame, 1),
		end: make(chan error, 1), held: h.base(g.id,
			fleet.Digest(hello.GetHeldDigest())),
		serving: fleet.Digest(hello.GetServingDigest()),
		followed: fleet.Stamp{Epoch: fleet.Epoch(hello.GetEpoch()), Decision: fleet.Decision(hello.GetDecision()),
			Term: fleet.Term(hello.GetTerm()), TermID: fleet.TermID(hello.GetTermId())},
		keeps: fleet.Stamp{Epoch: fleet.Epoch(hello.GetTargetSetEpoch()), Decision: fleet.Decision(hello.GetTargetSetVersion())},
	}
	s.last = directive{Target: rollout.Target{Revision: fleet.Revision(hello.GetServingRevision()),
		Digest: fleet.Digest(hello.GetServingDigest())}, stamp: s.followed}
	for _, r := range hello.GetRefused() {
		var problems []rollout.Problem
		for _, p := range r.GetProblems() {
			problems = append(problems, message.Problem(p))
		}
		s.refuse(fleet.Digest(r.GetDigest()), problems)
	}
	return s
}

// refuse remembers a digest that the gateway refused. The caller holds the lock, or the session is not shared yet.
func (s *session) refuse(digest fleet.Digest, problems []rollout.Problem) {
	if s.refused == nil {
		s.refused = map[fleet.Digest][]rollout.Problem{}
	}
	if len(s.refused) >= maxRefused {
		for old := range s.refused {
			delete(s.refused, old)
			break
		}
	}
	s.refused[digest] = slices.Clone(problems[:min(len(problems), rollout.MaxRefusals)])
}

// offer gives the session an assignment. The session does not wake up when nothing changes for its node.
func (s *session) offer(a *rollout.Assignment, joined bool) {
	t := a.Target(s.position)
	s.mu.Lock()
	// In a new epoch the same target is sent again, so that nodes refuse decisions of the epoch before.
	same := t.Same(s.assigned) && a.Epoch <= s.last.stamp.Epoch
	s.assigned = t
	if !same && !t.IsZero() {
		s.offered++
	}
	offer := s.offered
	s.mu.Unlock()
	if same || t.IsZero() {
		return
	}
	if s.box.put(&directive{Target: t, stamp: a.Stamp(), before: a.Lineage(), joined: joined, offer: offer}) {
		s.hub.metrics.replaced.Inc()
	}
}

func (s *session) isQuarantined() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quarantined
}

// close asks the writer to end the stream.
func (s *session) close(why error) {
	select {
	case s.end <- why:
	default:
	}
}

// write sends what the mailbox holds until the stream ends or the session is closed.
func (s *session) write(stream serverStream, broken <-chan error) error {
	ctx := stream.Context()
	var retry <-chan time.Time
	retries := backoff.Backoff{Policy: sendRetries}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-broken:
			return err
		case why := <-s.end:
			if why == nil {
				_ = stream.Send(&distributorv1.FollowAssignmentResponse{Message: &distributorv1.FollowAssignmentResponse_Reconnect{
					Reconnect: &distributorv1.Reconnect{Within: durationpb.New(s.hub.spread)},
				}})
			}
			return why
		case interval := <-s.watch:
			if err := sendWatch(stream, interval); err != nil {
				return err
			}
			continue
		case f := <-s.keep:
			if err := stream.SendMsg(f); err != nil {
				return err
			}
			continue
		case <-s.box.bell:
		case <-retry:
		}
		retry = nil
		d := s.box.take()
		if d == nil || s.isQuarantined() { // it is offered again after the quarantine
			continue
		}
		delta, err := s.prepare(ctx, d)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			s.hub.log.Warn("directive cannot be sent yet", telemetry.Group, s.group.id, telemetry.Node, s.node, telemetry.Revision, d.Revision,
				telemetry.Err, err)
			s.unsendable(d, err)
			s.box.putBack(d)
			retry = time.After(retries.Next())
			continue
		}
		retries.Reset()
		if err := s.send(stream, d, delta); err != nil {
			return err
		}
	}
}

// unsendable counts the node as failed while the content of its directive is missing.
func (s *session) unsendable(d *directive, err error) {
	if !errors.Is(err, content.ErrMissing) {
		return // etcd does not answer, or a similar passing problem
	}
	s.mu.Lock()
	s.failing, s.failure = d.Digest, fmt.Sprintf("CONTENT_MISSING: the stored content of revision %d is gone (%v); submit a source of the "+
		"group again, which writes it anew", d.Revision, err)
	s.mu.Unlock()
	s.hub.recount(s.group)
}

// prepare returns the encoded delta for a directive; nil when the node holds the snapshot or the directive is needless.
func (s *session) prepare(ctx context.Context, d *directive) (*encodedDelta, error) {
	s.mu.Lock()
	held := s.held
	skip := s.needless(d)
	s.mu.Unlock()
	if skip || held == d.Digest {
		return nil, nil
	}
	return s.hub.frames.get(ctx, held, d.Digest)
}

// needless reports whether a directive need not be sent: the node runs that revision already, or its gateway refused the content. The
// caller holds the lock.
func (s *session) needless(d *directive) bool {
	_, refused := s.refused[d.Digest]
	return refused || !d.again && d.Same(s.last.Target) && d.stamp.Epoch <= s.last.stamp.Epoch
}

func (s *session) send(stream serverStream, d *directive, delta *encodedDelta) error {
	s.mu.Lock()
	s.handled = max(s.handled, d.offer)
	if s.needless(d) {
		s.last.Target = d.Target
		s.mu.Unlock()
		s.hub.recount(s.group)
		return nil
	}
	s.nonce++
	nonce, followed := s.nonce, s.followed
	s.last = *d
	// Earlier proof no longer says what the gateway serves: even for the same content, another load may still be running.
	s.serving, s.failing, s.failure, s.kept = "", "", "", false
	s.mu.Unlock()
	m := &distributorv1.Directive{
		Revision: int64(d.Revision), Digest: string(d.Digest), Epoch: int64(d.stamp.Epoch), Decision: int64(d.stamp.Decision),
		Term: int64(d.stamp.Term), TermId: int64(d.stamp.TermID), SinceTerm: int64(d.before.Since),
		ReplacesUnmanaged: strings.Fields(d.Replaces),
	}
	if followed.TermID == d.stamp.TermID { // the ends tell a node of this very term nothing
		m.SinceTerm = m.GetTerm()
	} else {
		for _, e := range d.before.Ends {
			m.Ends = append(m.Ends, &distributorv1.Directive_End{Term: int64(e.Term), TermId: int64(e.ID), Decision: int64(e.Decision)})
		}
	}
	var span telemetry.Span
	if !d.joined { // a later join is not an effect of the submission
		span = d.Trace.Start("send directive", time.Now(), telemetry.Group, s.group.id, telemetry.Node, s.node, telemetry.Revision, d.Revision,
			telemetry.Decision, d.stamp.Decision)
		m.Traceparent = string(span.TraceParent())
	}
	defer func() { span.End(time.Now(), "") }()
	kind, shared := kindNone, []byte(nil)
	var parts [][]byte
	if delta != nil {
		kind, shared, parts = kindDelta, delta.first, delta.parts
		if delta.full {
			kind = kindFull
		}
	}
	m.PartCount = int32(len(parts))
	first, err := directiveFrame(nonce, m, shared)
	if err != nil {
		return err
	}
	sent := first.size()
	if err := stream.SendMsg(first); err != nil {
		return err
	}
	for _, part := range parts {
		if s.box.waiting() {
			// A newer directive is waiting, and the agent drops the rest of this one. Even if it has the same target, it must be sent.
			s.mu.Lock()
			s.last.Target = rollout.Target{}
			s.mu.Unlock()
			break
		}
		f := partFrame(nonce, part)
		if err := stream.SendMsg(f); err != nil {
			return err
		}
		sent += f.size()
	}
	s.hub.metrics.sentBytes.WithLabelValues(kind).Add(float64(sent))
	if !d.joined && !d.again {
		s.hub.observe(stageSent, d.CreateTime, 0)
	}
	s.hub.recount(s.group)
	return nil
}

// read handles the agent's messages until the stream ends.
func (s *session) read(stream serverStream) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if e := m.GetEvidence(); e != nil {
			if err := s.observed(e); err != nil {
				return err
			}
			continue
		}
		outcome := m.GetOutcome()
		if outcome == nil {
			return fault.New(fault.Invalid, "UNEXPECTED_MESSAGE",
				"only the first message may be a hello, and every other must be an outcome or evidence")
		}
		if err := s.receive(outcome); err != nil {
			return err
		}
	}
}
