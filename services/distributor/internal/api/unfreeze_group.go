package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// UnfreezeGroup lets a frozen group begin rollouts again.
func (s *RolloutService) UnfreezeGroup(ctx context.Context, request *distributorv1.UnfreezeGroupRequest) (
	*distributorv1.UnfreezeGroupResponse, error) {
	m, err := s.orderGroup(ctx, request, rollout.Unfreeze)
	return &distributorv1.UnfreezeGroupResponse{Order: m}, err
}
