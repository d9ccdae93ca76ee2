package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// UploadSchemas implements RegistryService.
func (s *Server) UploadSchemas(ctx context.Context, r *registryv1.UploadSchemasRequest) (*registryv1.UploadSchemasResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	key := roster.Key{Group: fleet.GroupID(r.GetGroup()), Node: fleet.NodeID(r.GetNode())}
	if err := invalid(name(name(nil, "group", "group", r.GetGroup()), "node", "node", r.GetNode())); err != nil {
		return nil, err
	}
	revision, err := s.Schemas.Upload(ctx, key, r.GetDigest(), r.GetZstd())
	if err != nil {
		return nil, down(err)
	}
	s.awaitView(ctx, revision)
	return &registryv1.UploadSchemasResponse{}, nil
}
