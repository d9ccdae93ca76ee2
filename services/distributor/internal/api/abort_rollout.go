package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// AbortRollout takes the candidate back from every node.
func (s *RolloutService) AbortRollout(ctx context.Context, request *distributorv1.AbortRolloutRequest) (
	*distributorv1.AbortRolloutResponse, error) {
	m, err := s.orderRollout(ctx, request, rollout.Order{Verb: rollout.Abort})
	return &distributorv1.AbortRolloutResponse{Rollout: m}, err
}
