package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// RevokeNode implements RegistryService.
func (s *Server) RevokeNode(ctx context.Context, r *registryv1.RevokeNodeRequest) (*registryv1.RevokeNodeResponse, error) {
	bad := name(name(nil, "group", "group", r.GetGroup()), "node", "node", r.GetNode())
	if err := invalid(revocationReason(bad, r.GetReason())); err != nil {
		return nil, err
	}
	key := roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())}
	out, err := s.revoke(ctx, key, revocation{reason: r.GetReason(), request: r.GetRequestId()})
	return &registryv1.RevokeNodeResponse{Revocation: out}, err
}
