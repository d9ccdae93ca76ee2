package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
)

// GetAssignment returns what the nodes of a group should run.
func (s *RolloutService) GetAssignment(ctx context.Context, request *distributorv1.GetAssignmentRequest) (
	*distributorv1.GetAssignmentResponse, error) {
	if err := s.Ledger.Ready(ctx); err != nil {
		return nil, err
	}
	group := fleet.GroupID(request.GetGroup())
	a, ok := s.Ledger.Assignment(group)
	if !ok {
		return nil, fault.New(fault.Missing, "ASSIGNMENT_NOT_FOUND", "group %q has no assignment yet", group).With("group", string(group))
	}
	return &distributorv1.GetAssignmentResponse{Assignment: message.Assignment(group, a, s.Ledger.Orders(group).Frozen())}, nil
}
