package api

import (
	"cmp"
	"context"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// maxReason bounds why something is done, in bytes; the contract bounds its characters.
const maxReason = 2 << 10

// RestoreSources implements the rpc of that name.
func (s *Server) RestoreSources(ctx context.Context, r *translatorv1.RestoreSourcesRequest) (*translatorv1.RestoreSourcesResponse, error) {
	reason := clean.Line(r.GetReason(), maxReason)
	q := desired.Restoration{
		Group: fleet.GroupID(r.GetGroup()), To: fleet.Revision(r.GetToRevision()), From: fleet.Revision(r.GetFromRevision()),
		Force: r.GetForce(), SkipChanged: r.GetSkipChanged(), Reason: reason, RequestID: r.GetRequestId(),
		Author: doerOf(ctx, r.GetPin().GetRollout()), ValidateOnly: r.GetValidateOnly(), AllowShrink: r.GetAllowShrink(),
	}
	for _, name := range r.GetSources() {
		q.Sources = append(q.Sources, fleet.SourceID(name))
	}
	if p := r.GetPin(); p != nil {
		q.Pin = &desired.Pin{
			Reason: cmp.Or(clean.Line(p.GetReason(), maxReason), reason), Rollout: clean.Line(p.GetRollout(), clean.MaxWord),
			Refused: fleet.Revision(p.GetRefusedRevision()),
		}
		for _, one := range p.GetProblems() {
			clean.Message(one, clean.MaxMessage)
			q.Pin.Problems = append(q.Pin.Problems, wire.Problem(one))
		}
	}
	out, err := s.Service.Restore(ctx, q)
	if err != nil {
		return nil, err
	}
	answer := &translatorv1.RestoreSourcesResponse{
		Revision: revision(out.Revision), Unchanged: out.Unchanged, Changes: summary(out.Changes), Warnings: wire.ProblemMessages(out.Warnings),
	}
	for _, name := range out.Restored {
		answer.Restored = append(answer.Restored, string(name))
	}
	for _, name := range out.Skipped {
		answer.Skipped = append(answer.Skipped, string(name))
	}
	return answer, nil
}
