package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// DeleteNode implements RegistryService.
func (s *Server) DeleteNode(ctx context.Context, r *registryv1.DeleteNodeRequest) (*registryv1.DeleteNodeResponse, error) {
	if err := invalid(name(name(nil, "group", "group", r.GetGroup()), "node", "node", r.GetNode())); err != nil {
		return nil, err
	}
	revision, err := s.Ledger.DeleteNode(ctx, roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())})
	if err != nil {
		return nil, down(err)
	}
	s.seen(ctx, revision)
	return &registryv1.DeleteNodeResponse{}, nil
}
