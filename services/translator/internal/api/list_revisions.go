package api

import (
	"context"
	"strconv"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// ListRevisions implements the rpc of that name. A page token is the number of the last revision before the page.
func (s *Server) ListRevisions(ctx context.Context, r *translatorv1.ListRevisionsRequest) (*translatorv1.ListRevisionsResponse, error) {
	var before int64
	if r.GetPageToken() != "" {
		var err error
		if before, err = strconv.ParseInt(r.GetPageToken(), 10, 64); err != nil || before < 1 {
			return nil, fault.InvalidFields(fault.Violation{Field: "page_token", Description: "is not from an answer of this call"})
		}
	}
	size := rpcserver.PageSize(r.GetPageSize())
	revisions, err := s.Lists.Revisions(ctx, fleet.GroupID(r.GetGroup()), fleet.Revision(before), size)
	if err != nil {
		return nil, err
	}
	answer := &translatorv1.ListRevisionsResponse{}
	for _, one := range revisions {
		answer.Revisions = append(answer.Revisions, revision(one))
	}
	if n := len(revisions); n == size && revisions[n-1].Number > 1 {
		answer.NextPageToken = strconv.FormatInt(int64(revisions[n-1].Number), 10)
	}
	return answer, nil
}
