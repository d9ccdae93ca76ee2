package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// PromoteRollout skips the soak and the gates of the present wave, or of every remaining wave. When a newer revision waits for the load
// interval, its rollout begins at once.
func (s *RolloutService) PromoteRollout(ctx context.Context, request *distributorv1.PromoteRolloutRequest) (
	*distributorv1.PromoteRolloutResponse, error) {
	m, err := s.orderRollout(ctx, request, rollout.Order{Verb: rollout.Promote, Full: request.GetFull()})
	return &distributorv1.PromoteRolloutResponse{Rollout: m}, err
}
