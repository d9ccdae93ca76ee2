package api

import (
	"context"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// ListRevocations implements RegistryService.
func (s *Server) ListRevocations(_ context.Context, r *registryv1.ListRevocationsRequest) (*registryv1.ListRevocationsResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	token, err := parsePageToken(r.GetPageToken())
	if err != nil {
		return nil, err
	}
	group, node, _ := strings.Cut(token, "/")
	found, more := s.View.Revocations(roster.Key{Group: fleet.GroupID(group), Node: fleet.NodeID(node)}, rpcserver.PageSize(r.GetPageSize()))
	answer := &registryv1.ListRevocationsResponse{}
	for _, r := range found {
		answer.Revocations = append(answer.Revocations, revocationTo(r))
	}
	if more {
		last := found[len(found)-1].Key
		answer.NextPageToken = pageToken(string(last.Group) + "/" + string(last.Node))
	}
	return answer, nil
}
