package api

import (
	"context"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// UndrainNode implements RegistryService.
func (s *Server) UndrainNode(ctx context.Context, r *registryv1.UndrainNodeRequest) (*registryv1.UndrainNodeResponse, error) {
	node, err := s.changeNode(ctx, r.GetGroup(), r.GetNode(), nil, func(n roster.Node) (roster.Node, bool) {
		return roster.UndrainNode(n, r.GetRequestId())
	})
	return &registryv1.UndrainNodeResponse{Node: node}, err
}
