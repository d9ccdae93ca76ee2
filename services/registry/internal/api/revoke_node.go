package api

import (
	"context"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// RevokeNode implements RegistryService.
func (s *Server) RevokeNode(ctx context.Context, r *registryv1.RevokeNodeRequest) (*registryv1.RevokeNodeResponse, error) {
	key, err := keyOf(r.GetGroup(), r.GetNode(), reason(nil, r.GetReason())...)
	if err != nil {
		return nil, err
	}
	out, err := s.revoke(ctx, key, revocation{reason: r.GetReason(), request: r.GetRequestId()})
	return &registryv1.RevokeNodeResponse{Revocation: out}, err
}
