package stream

import (
	"strings"
	"time"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// The stages of propagation.
const (
	stageSent    = "sent"
	stageLoaded  = "loaded"
	stageServing = "serving"
)

// receive handles the agent's verdict on a directive.
func (s *session) receive(o *distributorv1.Outcome) error {
	s.mu.Lock()
	known := o.GetNonce() > 0 && o.GetNonce() <= s.nonce
	last := s.last
	newest := o.GetNonce() == s.nonce && fleet.Digest(o.GetDigest()) == last.Digest
	s.mu.Unlock()
	digest := fleet.Digest(o.GetDigest())
	if known {
		span := telemetry.TraceParent(o.GetTraceparent()).Start("count outcome", time.Now(), telemetry.Group, s.group.id, telemetry.Node, s.node)
		defer func() { span.End(time.Now(), "") }()
	}
	switch v := o.GetVerdict().(type) {
	case *distributorv1.Outcome_Ack:
		if !known {
			return nil
		}
		s.acked(digest, newest)
		s.hub.metrics.outcomes.WithLabelValues("ack", reasonOf(v.Ack.GetProof().String(), "PROOF_")).Inc()
		if newest && !last.joined && !last.again {
			s.hub.observe(stageLoaded, last.CreateTime, v.Ack.GetProofTime().AsDuration())
			s.hub.observe(stageServing, last.CreateTime, 0)
		}
	case *distributorv1.Outcome_Nack:
		if !known {
			return nil
		}
		s.nacked(digest, newest, v.Nack)
		s.hub.metrics.outcomes.WithLabelValues("nack", refusedByGateway).Inc()
	case *distributorv1.Outcome_Failure:
		if !known {
			return nil
		}
		s.failed(digest, newest, v.Failure)
		if newest && v.Failure.GetReason() == distributorv1.Failure_REASON_STALE_DECISION {
			s.refusedAsOlder(last.stamp)
		}
		s.hub.metrics.outcomes.WithLabelValues("failure", reasonOf(v.Failure.GetReason().String(), "REASON_")).Inc()
	default:
		return fault.New(fault.Invalid, "NO_VERDICT", "the outcome has no verdict")
	}
	if newest && o.GetFailure().GetReason() != distributorv1.Failure_REASON_STALE_DECISION {
		s.follows(last.stamp)
	}
	s.hub.recount(s.group)
	return nil
}

// reasonOf turns the name of an enum value into a label.
func reasonOf(name, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(name, prefix))
}

// acked notes that the gateway serves a digest. Newest is false when a later directive was sent meanwhile: then the answer to that one
// counts.
func (s *session) acked(digest fleet.Digest, newest bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.badDelta = s.hub.base(s.group.id, digest), 0
	delete(s.refused, digest)
	if newest {
		s.serving, s.failing, s.failure = digest, "", ""
	}
}

func (s *session) nacked(digest fleet.Digest, newest bool, n *distributorv1.Nack) {
	var problems []rollout.Problem
	for _, p := range n.GetProblems() {
		problems = append(problems, message.Problem(p))
	}
	s.mu.Lock()
	s.refuse(digest, problems)
	if newest {
		s.serving, s.failing, s.failure = fleet.Digest(n.GetServingDigest()), "", ""
	}
	s.mu.Unlock()
	s.hub.log.Info("gateway refused a snapshot", telemetry.Group, s.group.id, telemetry.Node, s.node, telemetry.Digest, digest.Short(),
		"problems", len(problems))
}

func (s *session) failed(digest fleet.Digest, newest bool, f *distributorv1.Failure) {
	reason := f.GetReason()
	s.mu.Lock()
	defer s.mu.Unlock()
	if newest {
		s.serving = fleet.Digest(f.GetServingDigest())
	}
	switch reason {
	case distributorv1.Failure_REASON_STALE_DECISION:
		// The caller handles it.
		return
	case distributorv1.Failure_REASON_BAD_DELTA:
		s.held = ""
		s.badDelta++
		// The whole snapshot is sent once, without a delay. A second failure counts as a failure of the node.
		if newest && s.badDelta == 1 {
			again := s.last
			again.again = true
			s.box.putAgain(&again)
			return
		}
	}
	if !newest {
		return
	}
	s.kept = reason == distributorv1.Failure_REASON_UNMANAGED
	s.failing, s.failure = digest, string(s.node)+": "+clean.Line(f.GetMessage(), clean.MaxMessage)
}

// refusedAsOlder forgets a directive that the agent refused as older than what it follows; otherwise the same target in a newer decision
// would count as sent. Usually this replica is behind, and it offers the newer decision now or when it arrives. If none arrives, the ledger
// may have lost decisions, so that etcd is checked.
func (s *session) refusedAsOlder(refused fleet.Stamp) {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	s.mu.Lock()
	s.assigned, s.last.Target, s.stale = rollout.Target{}, rollout.Target{}, refused
	s.mu.Unlock()
	s.hub.recheck(s.group)
	if a := s.group.assignment; a != nil && a.Stamp().After(refused) {
		s.offer(a, false)
	}
}

// observe records the age of a revision, less a time, for a stage of propagation.
func (h *Hub) observe(stage string, created time.Time, less time.Duration) {
	if created.IsZero() {
		return
	}
	h.metrics.propagation.WithLabelValues(stage).Observe(max(0, time.Since(created)-less).Seconds())
}
