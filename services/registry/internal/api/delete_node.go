package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/identity"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// DeleteNode implements RegistryService.
func (s *Server) DeleteNode(ctx context.Context, r *registryv1.DeleteNodeRequest) (*registryv1.DeleteNodeResponse, error) {
	key, err := keyOf(r.GetGroup(), r.GetNode())
	if err != nil {
		return nil, err
	}
	if !r.GetKeepCertificates() && identity.Caller(ctx).Kind != identity.Nobody {
		// In one transaction, or the agent could enrol again in between.
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
