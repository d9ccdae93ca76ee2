// Package message converts the messages of the contract from and to the types of package rollout. It holds no rules.
package message

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// Problem reads an agent's report of what its gateway refused. Fields that a gateway cannot know are dropped.
func Problem(p *fleetv1.Problem) rollout.Problem {
	return rollout.Problem{
		Kind: clean.Line(p.GetKind(), clean.MaxWord), Name: clean.Line(p.GetName(), clean.MaxMessage), ID: clean.Line(p.GetId(), clean.MaxWord),
		Field: clean.Line(p.GetField(), clean.MaxMessage),
		Class: fleet.Class(fleetv1.Problem_CLASS_REFUSED_BY_GATEWAY), Message: clean.Line(p.GetMessage(), clean.MaxMessage),
	}
}

// Assignment writes an assignment; frozen is the order that freezes the group, or nil.
func Assignment(group fleet.GroupID, a rollout.Assignment, frozen *rollout.Order) *distributorv1.Assignment {
	m := &distributorv1.Assignment{
		Group: string(group), StableRevision: int64(a.Stable.Revision), StableDigest: string(a.Stable.Digest),
		CandidateRevision: int64(a.Candidate.Revision), CandidateDigest: string(a.Candidate.Digest), Rollout: string(a.Rollout),
		Decision: int64(a.Decision), Term: int64(a.Term), Epoch: int64(a.Epoch),
	}
	if frozen != nil {
		m.Frozen = Order(*frozen)
	}
	return m
}

// Order writes an order.
func Order(o rollout.Order) *distributorv1.Order {
	return &distributorv1.Order{Verb: string(o.Verb), Reason: o.Reason, Author: o.Author, CreateTime: timeMessage(o.Time)}
}

// gateOutcomes are the outcomes of gates in the contract.
var gateOutcomes = map[rollout.GateOutcome]distributorv1.GateResult_Outcome{
	rollout.GatePassed: distributorv1.GateResult_OUTCOME_PASSED, rollout.GateFailed: distributorv1.GateResult_OUTCOME_FAILED,
	rollout.GateInconclusive: distributorv1.GateResult_OUTCOME_INCONCLUSIVE,
	rollout.GateNotMeasured:  distributorv1.GateResult_OUTCOME_NOT_MEASURED,
}

// Rollout writes a rollout as it is now: how far it has come, what its gates say and what comes next.
func Rollout(r rollout.Rollout, p rollout.Progress, gates []rollout.GateResult, next string) *distributorv1.Rollout {
	m := &distributorv1.Rollout{
		Group: string(r.Group), Id: string(r.ID), StableRevision: int64(r.Stable.Revision), StableDigest: string(r.Stable.Digest),
		CandidateRevision: int64(r.Candidate.Revision), CandidateDigest: string(r.Candidate.Digest), State: stateMessage(r.State),
		Policy: wire.PolicyMessage(fleet.Policy(r.Policy)), Wave: int32(r.Wave), WaveCount: int32(r.Policy.WaveCount()), Reason: r.Reason,
		Progress: &distributorv1.Progress{
			Online: int64(p.Online), InWave: int64(p.InWave), Serving: int64(p.Serving), Refused: int64(p.Refused), Failed: int64(p.Failed),
			Loading: int64(p.Loading), Offline: int64(p.Offline), LeftOut: int64(p.LeftOut),
		},
		CreateTime: timeMessage(r.CreateTime), WaveTime: timeMessage(r.WaveTime), EndTime: timeMessage(r.EndTime), Term: int64(r.Term),
	}
	if soak := r.Soak(); soak > 0 {
		m.Soak = durationpb.New(soak)
	}
	for _, revision := range r.Fallback {
		m.FallbackRevisions = append(m.FallbackRevisions, int64(revision))
	}
	for _, x := range r.Absentees {
		m.LeftOut = append(m.LeftOut, &distributorv1.LeftOut{Node: string(x.Node), Reason: x.Reason})
	}
	for _, g := range gates {
		result := &distributorv1.GateResult{Gate: g.Gate, Outcome: gateOutcomes[g.Outcome], Evidence: g.Evidence}
		for _, node := range g.Nodes {
			result.Nodes = append(result.Nodes, string(node))
		}
		m.Gates = append(m.Gates, result)
	}
	for _, o := range r.Orders {
		m.Orders = append(m.Orders, Order(o))
	}
	if p := r.Pinning; p != nil {
		m.PinnedRevision, m.Pinning = int64(p.Revision), p.Due()
		for _, source := range p.Pinned {
			m.PinnedSources = append(m.PinnedSources, string(source))
		}
	}
	m.Next = next
	for _, x := range r.Refusals {
		m.Refusals = append(m.Refusals, &distributorv1.Refusal{Node: string(x.Node), Problem: wire.ProblemMessage(x.Problem)})
	}
	return m
}

// Event writes an event.
func Event(e event.Event) *distributorv1.Event {
	m := &distributorv1.Event{
		Sequence: int64(e.Sequence), CreateTime: timeMessage(e.Time), Group: string(e.Group), Reason: string(e.Reason),
		Revision: int64(e.Revision), Rollout: string(e.Rollout), Source: string(e.Source), Subject: e.Subject, NodeCount: int64(e.NodeCount),
		Author: e.Author, Message: e.Message,
	}
	for _, n := range e.Nodes {
		m.Nodes = append(m.Nodes, string(n))
	}
	return m
}

func timeMessage(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func stateMessage(s rollout.State) distributorv1.Rollout_State {
	switch s {
	case rollout.Waiting:
		return distributorv1.Rollout_STATE_WAITING
	case rollout.Progressing:
		return distributorv1.Rollout_STATE_PROGRESSING
	case rollout.Soaking:
		return distributorv1.Rollout_STATE_SOAKING
	case rollout.Completed:
		return distributorv1.Rollout_STATE_COMPLETED
	case rollout.Halted:
		return distributorv1.Rollout_STATE_HALTED
	case rollout.Superseded:
		return distributorv1.Rollout_STATE_SUPERSEDED
	case rollout.Paused:
		return distributorv1.Rollout_STATE_PAUSED
	case rollout.RolledBack:
		return distributorv1.Rollout_STATE_ROLLED_BACK
	}
	return distributorv1.Rollout_STATE_UNSPECIFIED
}
