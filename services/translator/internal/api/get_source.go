package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// GetSource implements the rpc of that name.
func (s *Server) GetSource(ctx context.Context, r *translatorv1.GetSourceRequest) (*translatorv1.GetSourceResponse, error) {
	found, err := s.Service.Source(ctx, fleet.GroupID(r.GetGroup()), fleet.SourceID(r.GetSource()))
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fault.New(fault.Missing, "NO_SUCH_SOURCE", "group %q has no source %q", r.GetGroup(), r.GetSource())
	}
	return &translatorv1.GetSourceResponse{Source: source(*found)}, nil
}
