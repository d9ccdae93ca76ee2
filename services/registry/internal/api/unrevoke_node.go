package api

import (
	"context"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// UnrevokeNode implements RegistryService.
func (s *Server) UnrevokeNode(ctx context.Context, r *registryv1.UnrevokeNodeRequest) (*registryv1.UnrevokeNodeResponse, error) {
	key, err := keyOf(r.GetGroup(), r.GetNode())
	if err != nil {
		return nil, err
	}
	return &registryv1.UnrevokeNodeResponse{}, s.unrevoke(ctx, key)
}
