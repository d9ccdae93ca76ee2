package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// GetRevision implements the rpc of that name.
func (s *Server) GetRevision(ctx context.Context, r *translatorv1.GetRevisionRequest) (*translatorv1.GetRevisionResponse, error) {
	found, err := s.Service.Revision(ctx, fleet.GroupID(r.GetGroup()), fleet.Revision(r.GetRevision()))
	if err != nil {
		return nil, err
	}
	return &translatorv1.GetRevisionResponse{Revision: revision(found)}, nil
}
