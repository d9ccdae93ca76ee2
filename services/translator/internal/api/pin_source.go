package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// PinSource implements the rpc of that name.
func (s *Server) PinSource(ctx context.Context, r *translatorv1.PinSourceRequest) (*translatorv1.PinSourceResponse, error) {
	out, err := s.Service.Pin(ctx, desired.Pinning{
		Group: fleet.GroupID(r.GetGroup()), Source: fleet.SourceID(r.GetSource()), Reason: clean.Line(r.GetReason(), maxReason),
		RequestID: r.GetRequestId(), Author: authorOf(ctx),
	})
	if err != nil {
		return nil, err
	}
	return &translatorv1.PinSourceResponse{Source: about(out.Source)}, nil
}
