package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// ListGroups implements RegistryService.
func (s *Server) ListGroups(_ context.Context, r *registryv1.ListGroupsRequest) (*registryv1.ListGroupsResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	after, err := parsePageToken(r.GetPageToken())
	if err != nil {
		return nil, err
	}
	groups, more := s.View.Groups(fleet.GroupID(after), rpcserver.PageSize(r.GetPageSize()))
	answer := &registryv1.ListGroupsResponse{}
	for _, g := range groups {
		out, err := groupTo(g)
		if err != nil {
			return nil, err
		}
		answer.Groups = append(answer.Groups, out)
	}
	if more {
		answer.NextPageToken = pageToken(string(groups[len(groups)-1].Name))
	}
	return answer, nil
}
