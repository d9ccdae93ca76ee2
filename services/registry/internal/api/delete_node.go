package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/identity"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// DeleteNode implements RegistryService.
func (s *Server) DeleteNode(ctx context.Context, r *registryv1.DeleteNodeRequest) (*registryv1.DeleteNodeResponse, error) {
	if err := invalid(name(name(nil, "group", "group", r.GetGroup()), "node", "node", r.GetNode())); err != nil {
		return nil, err
	}
	key := roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())}
	if !r.GetKeepCertificates() && identity.Caller(ctx).Kind != identity.Nobody {
		// In one transaction, or its agent would enrol again in between.
		out, err := s.revoke(ctx, key, revocation{request: r.GetRequestId(), forget: true})
		return &registryv1.DeleteNodeResponse{Revocation: out}, err
	}
	revision, err := s.Ledger.DeleteNode(ctx, key)
	if err != nil {
		return nil, down(err)
	}
	s.awaitView(ctx, revision)
	return &registryv1.DeleteNodeResponse{}, nil
}
