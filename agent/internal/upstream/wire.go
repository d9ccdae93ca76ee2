package upstream

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/health"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/proof"
	"github.com/silverback-gateway/silverback/kong/target"
)

func outcomeToProto(a apply.Outcome) *distributorv1.Outcome {
	o := &distributorv1.Outcome{Nonce: a.ReplyTo.Nonce, Decision: int64(a.Snapshot.Decision), Digest: string(a.Snapshot.Digest)}
	switch {
	case a.Ack != nil:
		o.Verdict = &distributorv1.Outcome_Ack{Ack: &distributorv1.Ack{
			Proof: proofOf(a.Ack.Proof), LoadTime: durationpb.New(a.Ack.LoadTime), ProofTime: durationpb.New(a.Ack.ProofTime),
		}}
	case a.Refusal != nil:
		o.Verdict = &distributorv1.Outcome_Nack{Nack: &distributorv1.Nack{Problems: problems(a.Refusal.Problems),
			ServingDigest: string(a.Serving)}}
	default:
		o.Verdict = &distributorv1.Outcome_Failure{Failure: &distributorv1.Failure{
			Reason: distributorv1.Failure_Reason(a.Failure.Reason), Message: a.Failure.Message,
			ServingDigest: string(a.Serving), Attempts: int32(a.Failure.Attempts),
		}}
	}
	return o
}

func problems(from []verdict.Problem) []*fleetv1.Problem {
	var all []*fleetv1.Problem
	for _, p := range from {
		p.Class = fleet.Class(fleetv1.Problem_CLASS_REFUSED_BY_GATEWAY)
		all = append(all, wire.ProblemMessage(p))
	}
	return all
}

func proofOf(form proof.Form) fleetv1.Proof {
	switch form {
	case proof.Worker:
		return fleetv1.Proof_PROOF_WORKER
	case proof.Route:
		return fleetv1.Proof_PROOF_ROUTE
	}
	return fleetv1.Proof_PROOF_HASH
}

func nodeStatus(v status.View) *fleetv1.NodeStatus {
	s := &fleetv1.NodeStatus{
		Epoch: v.Epoch, Decision: v.Decision, Term: v.Term, TermId: v.TermID, GatewayReady: v.GatewayReady, Draining: v.Draining,
		LoadTime: durationpb.New(v.LoadTime.Round(time.Microsecond)), ProofTime: durationpb.New(v.ProofTime.Round(time.Microsecond)),
		Loads: v.Loads, Drifts: v.Drifts, Health: wire.HealthMessage(v.Reported),
		RecentLoads: wire.LoadSamples(v.RecentLoads),
	}
	if t := v.Targets; t != nil {
		s.DrainedTargets = &fleetv1.DrainedTargets{Epoch: t.Epoch, Version: t.Version, WantedCount: int32(t.Wanted), OutCount: int32(t.Out),
			AbsentCount: int32(t.Absent), ReleasingCount: int32(t.Releasing)}
	}
	if u := v.Unmanaged; u != nil {
		s.Unmanaged = &fleetv1.Unmanaged{Served: u.Served, EntityCount: u.Entities, Reason: u.Reason}
	}
	// What a gateway was proven to serve once, and now may not, is not what it serves.
	if v.Proven {
		s.Revision, s.Digest = v.Revision, v.Digest
		if form, err := proof.ParseForm(v.Proof); err == nil {
			s.Proof = proofOf(form)
		}
	}
	for _, c := range v.Conditions {
		s.Conditions = append(s.Conditions, &fleetv1.Condition{Type: c.Type, Message: c.Message, Since: timestamppb.New(c.Since)})
	}
	return s
}

func capabilities(c gateway.Capabilities, form proof.Form, loadTimeout time.Duration, memory int64) *fleetv1.Capabilities {
	return &fleetv1.Capabilities{
		KongVersion: c.KongVersion, Edition: c.Edition, Workers: int32(c.Workers), RouterFlavor: c.RouterFlavor,
		Plugins: c.Plugins, Proof: proofOf(form), BodyLimitBytes: c.BodyLimit, LoadTimeout: durationpb.New(loadTimeout),
		MemoryLimitBytes: memory,
	}
}

// endsOf reads the ends of earlier terms.
func endsOf(d *distributorv1.Directive) (all []fleet.End) {
	for _, e := range d.GetEnds() {
		all = append(all, fleet.End{Term: fleet.Term(e.GetTerm()), ID: fleet.TermID(e.GetTermId()), Decision: fleet.Decision(e.GetDecision())})
	}
	return all
}

// targetsOf reads a set of targets; false when it is larger than the contract allows. A name that Kong cannot have is left out.
func targetsOf(m *distributorv1.TargetSet) (lastgood.Targets, bool) {
	set := lastgood.Targets{Epoch: fleet.Epoch(m.GetEpoch()), Version: fleet.Decision(m.GetVersion())}
	for _, u := range m.GetUpstreams() {
		if len(set.Out)+len(u.GetTargets()) > target.MaxKept {
			return lastgood.Targets{}, false
		}
		for _, t := range u.GetTargets() {
			if n, err := target.Parse(u.GetName(), t); err == nil {
				set.Out = append(set.Out, n)
			}
		}
	}
	return set, true
}

func policyOf(p fleetv1.DriftPolicy) drift.Policy {
	if p == fleetv1.DriftPolicy_DRIFT_POLICY_REPORT {
		return drift.Report
	}
	return drift.Heal
}

func evidenceToProto(e health.Evidence) *distributorv1.Evidence {
	m := &distributorv1.Evidence{
		Age: durationpb.New(e.Age), CountsRequests: e.CountsRequests, MeasuresLatency: e.MeasuresLatency, Requests: e.Requests,
		FailedRequests: e.Failed, UpstreamFailures: e.UpstreamFailures, LatencyBoundsMs: e.BoundsMS, LatencyCounts: e.Counts,
		WorkerRestarts: e.WorkerRestarts,
	}
	for _, p := range e.Probes {
		m.Probes = append(m.Probes, &distributorv1.Evidence_Probe{Path: p.Path, Host: p.Host, Sent: p.Sent, Failed: p.Failed, Reason: p.Reason})
	}
	return m
}
