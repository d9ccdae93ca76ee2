package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/rpcserver"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
)

// ListAssignments lists the assignments of all groups, by group.
func (s *RolloutService) ListAssignments(ctx context.Context, request *distributorv1.ListAssignmentsRequest) (
	*distributorv1.ListAssignmentsResponse, error) {
	if err := s.Ledger.Ready(ctx); err != nil {
		return nil, err
	}
	after := ""
	if request.GetPageToken() != "" {
		parts, err := decodeToken(request.GetPageToken(), 1)
		if err != nil {
			return nil, err
		}
		after = parts[0]
	}
	size := rpcserver.PageSize(request.GetPageSize())
	answer := &distributorv1.ListAssignmentsResponse{}
	for _, id := range s.Ledger.Groups() {
		a, ok := s.Ledger.Assignment(id)
		if !ok || string(id) <= after {
			continue
		}
		if len(answer.Assignments) == size {
			answer.NextPageToken = encodeToken(answer.Assignments[size-1].GetGroup())
			break
		}
		answer.Assignments = append(answer.Assignments, message.Assignment(id, a, s.Ledger.Orders(id).Frozen()))
	}
	return answer, nil
}
