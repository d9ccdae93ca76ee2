package api

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/recovery"
)

// GetLedger returns the epoch of the ledger and the nodes that are ahead of it.
func (s *RolloutService) GetLedger(ctx context.Context, r *distributorv1.GetLedgerRequest) (*distributorv1.GetLedgerResponse, error) {
	if err := s.Ledger.Ready(ctx); err != nil {
		return nil, err
	}
	state, err := s.Ledger.State(ctx)
	if err != nil {
		return nil, err
	}
	if r.GetGroup() != "" {
		state.Ahead = slices.DeleteFunc(state.Ahead, func(a recovery.Ahead) bool { return string(a.Group) != r.GetGroup() })
	}
	return &distributorv1.GetLedgerResponse{Ledger: s.ledgerMessage(state)}, nil
}

// maxAhead bounds the nodes in an answer. It is part of the contract.
const maxAhead = 100

func (s *RolloutService) ledgerMessage(state recovery.State) *distributorv1.Ledger {
	r := state.Recovery
	m := &distributorv1.Ledger{
		Epoch: int64(r.Epoch), Author: r.Author, Reason: r.Reason, AheadCount: int64(len(state.Ahead)), NextEpoch: int64(state.Next),
		Problem: s.Ledger.Problem(),
	}
	if !r.Time.IsZero() {
		m.RecoverTime = timestamppb.New(r.Time)
	}
	for _, a := range state.Ahead[:min(len(state.Ahead), maxAhead)] {
		m.Ahead = append(m.Ahead, &distributorv1.Ledger_AheadNode{
			Group: string(a.Group), Node: string(a.Node.Node), Online: a.Online,
			FollowedEpoch: int64(a.Followed.Epoch), FollowedDecision: int64(a.Followed.Decision), Decision: int64(a.Newest.Decision),
		})
	}
	for _, e := range s.Ledger.Members() {
		m.Members = append(m.Members, &distributorv1.Ledger_Member{
			Endpoint: e.Endpoint, SizeBytes: e.File, SizeInUseBytes: e.InUse, QuotaBytes: e.Quota,
		})
	}
	return m
}
