package api

import (
	"context"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// ResumeRollout continues a paused rollout.
func (s *RolloutService) ResumeRollout(ctx context.Context, request *distributorv1.ResumeRolloutRequest) (
	*distributorv1.ResumeRolloutResponse, error) {
	m, err := s.orderRollout(ctx, request, rollout.Order{Verb: rollout.Resume})
	return &distributorv1.ResumeRolloutResponse{Rollout: m}, err
}
