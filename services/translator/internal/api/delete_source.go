package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// DeleteSource implements the rpc of that name.
func (s *Server) DeleteSource(ctx context.Context, r *translatorv1.DeleteSourceRequest) (*translatorv1.DeleteSourceResponse, error) {
	out, err := s.Service.Delete(ctx, desired.Deletion{
		Group: fleet.GroupID(r.GetGroup()), Source: fleet.SourceID(r.GetSource()), Expected: fleet.Revision(r.GetExpectedRevision()),
		RequestID: r.GetRequestId(), Message: clean.Text(r.GetMessage(), maxNote), Author: authorOf(ctx), AllowShrink: r.GetAllowShrink(),
	})
	if err != nil {
		return nil, err
	}
	return &translatorv1.DeleteSourceResponse{Revision: revision(out.Revision), Unchanged: out.Unchanged}, nil
}
