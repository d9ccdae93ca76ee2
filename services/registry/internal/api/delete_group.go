package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// DeleteGroup implements RegistryService.
func (s *Server) DeleteGroup(ctx context.Context, r *registryv1.DeleteGroupRequest) (*registryv1.DeleteGroupResponse, error) {
	if err := invalid(name(nil, "name", "group", r.GetName())); err != nil {
		return nil, err
	}
	revision, err := s.Ledger.DeleteGroup(ctx, fleet.GroupID(r.GetName()))
	if err != nil {
		return nil, down(err)
	}
	s.awaitView(ctx, revision)
	return &registryv1.DeleteGroupResponse{}, nil
}
