package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// UnrevokeNode implements RegistryService.
func (s *Server) UnrevokeNode(ctx context.Context, r *registryv1.UnrevokeNodeRequest) (*registryv1.UnrevokeNodeResponse, error) {
	if err := invalid(name(name(nil, "group", "group", r.GetGroup()), "node", "node", r.GetNode())); err != nil {
		return nil, err
	}
	err := s.unrevoke(ctx, roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())})
	return &registryv1.UnrevokeNodeResponse{}, err
}
