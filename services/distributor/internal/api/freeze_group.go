package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// FreezeGroup keeps a group from beginning rollouts.
func (s *RolloutService) FreezeGroup(ctx context.Context, request *distributorv1.FreezeGroupRequest) (
	*distributorv1.FreezeGroupResponse, error) {
	m, err := s.orderGroup(ctx, request, rollout.Freeze)
	return &distributorv1.FreezeGroupResponse{Order: m}, err
}
