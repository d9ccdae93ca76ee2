package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// ListSources implements the rpc of that name. A page token is the key of the last source before the page.
func (s *Server) ListSources(ctx context.Context, r *translatorv1.ListSourcesRequest) (*translatorv1.ListSourcesResponse, error) {
	sources, next, err := s.Lists.Sources(ctx, fleet.GroupID(r.GetGroup()), r.GetPageToken(), rpcserver.PageSize(r.GetPageSize()))
	if err != nil {
		return nil, err
	}
	answer := &translatorv1.ListSourcesResponse{NextPageToken: next}
	for _, one := range sources {
		answer.Sources = append(answer.Sources, source(one))
	}
	return answer, nil
}
