// Package wire turns the messages of the contract into the types that decisions are made of, and back. It holds no rules.
package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// Problem reads what an agent says that its gateway refused. Only what a gateway can know is taken from it.
func Problem(p *fleetv1.Problem) rollout.Problem {
	return rollout.Problem{
		Kind: clean.Line(p.GetKind(), clean.MaxWord), Name: clean.Line(p.GetName(), clean.MaxMessage), ID: clean.Line(p.GetId(), clean.MaxWord),
		Field: clean.Line(p.GetField(), clean.MaxMessage),
		Class: int32(fleetv1.Problem_CLASS_REFUSED_BY_GATEWAY), Message: clean.Line(p.GetMessage(), clean.MaxMessage),
	}
}

// Assignment writes an assignment.
func Assignment(group fleet.GroupID, a rollout.Assignment) *distributorv1.Assignment {
	return &distributorv1.Assignment{
		Group: string(group), StableRevision: int64(a.Stable.Revision), StableDigest: string(a.Stable.Digest),
		CandidateRevision: int64(a.Candidate.Revision), CandidateDigest: string(a.Candidate.Digest), Rollout: string(a.Rollout),
		Decision: int64(a.Decision), Term: int64(a.Term), Epoch: int64(a.Epoch),
	}
}

// Rollout writes a rollout with a progress.
func Rollout(r rollout.Rollout, p rollout.Progress) *distributorv1.Rollout {
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
	for _, revision := range r.Fallback {
		m.FallbackRevisions = append(m.FallbackRevisions, int64(revision))
	}
	for _, x := range r.Absentees {
		m.LeftOut = append(m.LeftOut, &distributorv1.LeftOut{Node: string(x.Node), Reason: x.Reason})
	}
	for _, x := range r.Refusals {
		m.Refusals = append(m.Refusals, &distributorv1.Refusal{Node: string(x.Node), Problem: wire.ProblemMessage(x.Problem)})
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
	}
	return distributorv1.Rollout_STATE_UNSPECIFIED
}
