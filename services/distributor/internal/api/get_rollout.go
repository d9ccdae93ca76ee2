package api

import (
	"context"
	"fmt"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// GetRollout returns a rollout.
func (s *RolloutService) GetRollout(ctx context.Context, request *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse,
	error) {
	if err := s.Ledger.Ready(ctx); err != nil {
		return nil, err
	}
	for _, r := range s.Ledger.Rollouts(fleet.GroupID(request.GetGroup())) {
		if (request.GetId() == "" || request.GetId() == string(r.ID)) && (request.GetRevision() == 0 ||
			request.GetRevision() == int64(r.Candidate.Revision)) {
			return &distributorv1.GetRolloutResponse{Rollout: encode(r)}, nil
		}
	}
	which := "rollout yet"
	if request.GetId() != "" {
		which = fmt.Sprintf("rollout %q", request.GetId())
	}
	if request.GetRevision() != 0 {
		which += fmt.Sprintf(" to revision %d", request.GetRevision())
	}
	return nil, fault.New(fault.Missing, "ROLLOUT_NOT_FOUND", "group %q has no %s", request.GetGroup(), which).With("group",
		request.GetGroup())
}
