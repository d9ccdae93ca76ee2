package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// UnrevokeUser implements RegistryService.
func (s *Server) UnrevokeUser(ctx context.Context, r *registryv1.UnrevokeUserRequest) (*registryv1.UnrevokeUserResponse, error) {
	if err := invalid(userName(nil, r.GetName())); err != nil {
		return nil, err
	}
	return &registryv1.UnrevokeUserResponse{}, s.unrevoke(ctx, roster.Key{Node: fleet.NodeID(r.GetName())})
}
