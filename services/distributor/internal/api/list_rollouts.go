package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/rpcserver"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// ListRollouts lists rollouts by group, the newest first.
func (s *RolloutService) ListRollouts(ctx context.Context, request *distributorv1.ListRolloutsRequest) (
	*distributorv1.ListRolloutsResponse, error) {
	if err := s.Ledger.Ready(ctx); err != nil {
		return nil, err
	}
	var afterGroup, afterID string
	if request.GetPageToken() != "" {
		after, err := decodeToken(request.GetPageToken(), 2)
		if err != nil {
			return nil, err
		}
		afterGroup, afterID = after[0], after[1]
	}
	size := rpcserver.PageSize(request.GetPageSize())
	answer := &distributorv1.ListRolloutsResponse{}
	for _, id := range groupsOf(s.Ledger, request.GetGroup()) {
		if string(id) < afterGroup {
			continue
		}
		for _, r := range s.Ledger.Rollouts(id) {
			if string(id) == afterGroup && string(r.ID) >= afterID {
				continue
			}
			if len(answer.Rollouts) == size {
				last := answer.Rollouts[size-1]
				answer.NextPageToken = encodeToken(last.GetGroup(), last.GetId())
				return answer, nil
			}
			answer.Rollouts = append(answer.Rollouts, encode(r))
		}
	}
	return answer, nil
}
