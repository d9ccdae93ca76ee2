package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// PauseRollout stops a rollout where it is.
func (s *RolloutService) PauseRollout(ctx context.Context, request *distributorv1.PauseRolloutRequest) (
	*distributorv1.PauseRolloutResponse, error) {
	m, err := s.orderRollout(ctx, request, rollout.Order{Verb: rollout.Pause})
	return &distributorv1.PauseRolloutResponse{Rollout: m}, err
}
