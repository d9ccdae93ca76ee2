package api

import (
	"context"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// UploadSchemas implements RegistryService.
func (s *Server) UploadSchemas(ctx context.Context, r *registryv1.UploadSchemasRequest) (*registryv1.UploadSchemasResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	key, err := keyOf(r.GetGroup(), r.GetNode())
	if err != nil {
		return nil, err
	}
	revision, err := s.Schemas.Upload(ctx, key, r.GetDigest(), r.GetZstd())
	if err != nil {
		return nil, down(err)
	}
	s.awaitView(ctx, revision)
	return &registryv1.UploadSchemasResponse{}, nil
}
