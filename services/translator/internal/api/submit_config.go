package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// SubmitConfig implements the rpc of that name.
func (s *Server) SubmitConfig(ctx context.Context, r *translatorv1.SubmitConfigRequest) (*translatorv1.SubmitConfigResponse, error) {
	out, err := s.Service.Submit(ctx, desired.Submission{
		Group: fleet.GroupID(r.GetGroup()), Source: sourceOf(r.GetSource()), Documents: documents(r.GetDocuments()),
		Expected: fleet.Revision(r.GetExpectedRevision()), RequestID: r.GetRequestId(), Message: clean.Text(r.GetMessage(), maxNote),
		Author:       authorOf(ctx),
		ValidateOnly: r.GetValidateOnly(), AllowShrink: r.GetAllowShrink(),
		ReplaceUnmanaged: r.GetReplaceUnmanaged(), LeaveUnmanaged: r.GetLeaveUnmanaged(), ReplaceServed: r.GetReplaceServed(),
	})
	if err != nil {
		return nil, err
	}
	if out.Entities == nil && out.HeldBack == nil && out.Revision != nil { // the first answer is given again
		out.Entities, out.Size = out.Revision.Entities, out.Revision.Size
		if !out.Unchanged {
			out.Streak = out.Revision.Streak
		}
	}
	return &translatorv1.SubmitConfigResponse{
		Revision: revision(out.Revision), Unchanged: out.Unchanged, Changes: summary(out.Changes), Warnings: wire.ProblemMessages(out.Warnings),
		HeldBack: pin(out.HeldBack), Entities: out.Entities, SizeBytes: out.Size,
		TargetStreak: wire.StreakMessage(out.Streak),
	}, nil
}
