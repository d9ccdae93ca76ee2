package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// UnpinSource implements the rpc of that name.
func (s *Server) UnpinSource(ctx context.Context, r *translatorv1.UnpinSourceRequest) (*translatorv1.UnpinSourceResponse, error) {
	out, err := s.Service.Unpin(ctx, desired.Unpinning{
		Pinning: desired.Pinning{
			Group: fleet.GroupID(r.GetGroup()), Source: fleet.SourceID(r.GetSource()), Reason: clean.Line(r.GetReason(), maxReason),
			RequestID: r.GetRequestId(), Author: authorOf(ctx),
		},
		AllowShrink: r.GetAllowShrink(),
	})
	if err != nil {
		return nil, err
	}
	return &translatorv1.UnpinSourceResponse{
		Source: about(out.Source), Revision: revision(out.Revision), Unchanged: out.Unchanged, Warnings: wire.ProblemMessages(out.Warnings),
	}, nil
}
