package api

import (
	"context"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// ReleaseNode implements RegistryService.
func (s *Server) ReleaseNode(ctx context.Context, r *registryv1.ReleaseNodeRequest) (*registryv1.ReleaseNodeResponse, error) {
	node, err := s.changeNode(ctx, r.GetGroup(), r.GetNode(), nil, func(n roster.Node) (roster.Node, bool) {
		return roster.ReleaseNode(n, r.GetRequestId())
	})
	return &registryv1.ReleaseNodeResponse{Node: node}, err
}
