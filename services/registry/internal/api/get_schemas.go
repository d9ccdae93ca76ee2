package api

import (
	"context"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// GetSchemas implements RegistryService.
func (s *Server) GetSchemas(ctx context.Context, r *registryv1.GetSchemasRequest) (*registryv1.GetSchemasResponse, error) {
	zstd, err := s.Schemas.Bundle(ctx, r.GetDigest())
	if err != nil {
		return nil, down(err)
	}
	return &registryv1.GetSchemasResponse{Zstd: zstd}, nil
}
