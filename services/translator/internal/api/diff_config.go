package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/snapshot"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// maxChanges bounds the answer; its summary counts them all.
const maxChanges = 1000

var operations = map[snapshot.ChangeOp]translatorv1.Change_Operation{
	snapshot.Added: translatorv1.Change_OPERATION_ADDED, snapshot.Changed: translatorv1.Change_OPERATION_CHANGED, snapshot.Removed: translatorv1.Change_OPERATION_REMOVED,
}

// DiffConfig implements the rpc of that name.
func (s *Server) DiffConfig(ctx context.Context, r *translatorv1.DiffConfigRequest) (*translatorv1.DiffConfigResponse, error) {
	diff, err := s.Desk.Diff(ctx, fleet.GroupID(r.GetGroup()), sourceOf(r.GetSource()), documents(r.GetDocuments()), fleet.Revision(r.GetRevision()))
	if err != nil {
		return nil, err
	}
	answer := &translatorv1.DiffConfigResponse{Summary: summary(diff.Summary), Revision: int64(diff.Against), Digest: string(diff.Digest), Warnings: problems(diff.Warnings)}
	for _, c := range diff.Changes[:min(len(diff.Changes), maxChanges)] {
		answer.Changes = append(answer.Changes, &translatorv1.Change{
			Operation: operations[c.Op], Kind: s.Desk.Compiler.Singular(c.Kind), Name: c.Name, Id: c.ID, Fields: c.Fields,
		})
	}
	return answer, nil
}
