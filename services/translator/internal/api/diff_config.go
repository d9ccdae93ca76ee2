package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/changes"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// How many changes an answer has; its summary counts them all.
const (
	defaultChanges = 1000
	maxChanges     = 100_000
)

var operations = map[snapshot.ChangeOp]translatorv1.Change_Operation{
	snapshot.Added: translatorv1.Change_OPERATION_ADDED, snapshot.Changed: translatorv1.Change_OPERATION_CHANGED,
	snapshot.Removed: translatorv1.Change_OPERATION_REMOVED,
}

// DiffConfig implements the rpc of that name.
func (s *Server) DiffConfig(ctx context.Context, r *translatorv1.DiffConfigRequest) (*translatorv1.DiffConfigResponse, error) {
	limit := int(r.GetMaxChanges())
	if limit == 0 {
		limit = defaultChanges
	}
	diff, err := s.Service.Diff(ctx, desired.Question{
		Group: fleet.GroupID(r.GetGroup()), Source: sourceOf(r.GetSource()), Documents: documents(r.GetDocuments()),
		From: fleet.Revision(r.GetRevision()), To: fleet.Revision(r.GetToRevision()), Limit: min(limit, maxChanges),
	})
	if err != nil {
		return nil, err
	}
	answer := &translatorv1.DiffConfigResponse{
		Summary: summary(diff.Summary), Revision: int64(diff.Against), ToRevision: int64(diff.To), Digest: string(diff.Digest),
		Warnings: wire.ProblemMessages(diff.Warnings),
		Changes:  make([]*translatorv1.Change, len(diff.Changes)),
	}
	for i := range diff.Changes {
		answer.Changes[i] = change(&diff.Changes[i])
	}
	return answer, nil
}

func change(c *changes.Change) *translatorv1.Change {
	m := &translatorv1.Change{Operation: operations[c.Op], Kind: c.Kind, Name: c.Name, Id: c.ID, Title: c.Title, Cut: c.Cut}
	for _, p := range c.Parents {
		m.Parents = append(m.Parents, &translatorv1.NamedEntity{Kind: p.Kind, Name: p.Name, Id: p.ID, Title: p.Title})
	}
	for _, f := range c.Fields {
		if c.Op == snapshot.Changed {
			m.Fields = append(m.Fields, f.Path)
		}
		m.Values = append(m.Values, &translatorv1.FieldChange{Path: f.Path, Old: string(f.Old), New: string(f.New), Secret: f.Secret,
			TooLong: f.TooLong})
	}
	return m
}
