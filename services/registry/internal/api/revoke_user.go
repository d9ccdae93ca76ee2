package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/identity"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// RevokeUser implements RegistryService.
func (s *Server) RevokeUser(ctx context.Context, r *registryv1.RevokeUserRequest) (*registryv1.RevokeUserResponse, error) {
	if err := invalid(reason(userName(nil, r.GetName()), r.GetReason())); err != nil {
		return nil, err
	}
	if who := identity.Caller(ctx); who.Kind == identity.User && who.Name == r.GetName() && !r.GetAllowSelf() {
		return nil, fault.New(fault.WrongState, "REVOKES_CALLER",
			"this revokes the certificate that you call with, and another operator must undo it; if that is meant, say --allow-self").With("name",
			r.GetName())
	}
	out, err := s.revoke(ctx, roster.Key{Node: fleet.NodeID(r.GetName())}, revocation{reason: r.GetReason(), request: r.GetRequestId()})
	return &registryv1.RevokeUserResponse{Revocation: out}, err
}
