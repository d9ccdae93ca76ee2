package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// RetryRollout begins another rollout to the newest revision.
func (s *RolloutService) RetryRollout(ctx context.Context, request *distributorv1.RetryRolloutRequest) (
	*distributorv1.RetryRolloutResponse, error) {
	m, err := s.orderRollout(ctx, request, rollout.Order{Verb: rollout.Retry})
	return &distributorv1.RetryRolloutResponse{Rollout: m}, err
}
