package api

import (
	"cmp"
	"context"
	"fmt"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// CollectRevisions implements the rpc of that name.
func (s *Server) CollectRevisions(ctx context.Context, r *translatorv1.CollectRevisionsRequest) (
	*translatorv1.CollectRevisionsResponse, error) {
	c := desired.Collection{Before: r.GetLedgerRevision()}
	for i, g := range r.GetGroups() {
		inUse := desired.InUse{
			Group: fleet.GroupID(g.GetGroup()), KeepRevisions: int(cmp.Or(g.GetKeepRevisions(), r.GetKeepRevisions())),
			KeepAge: cmp.Or(g.GetKeepAge(), r.GetKeepAge()).AsDuration(),
		}
		if err := fleet.ValidName("group", g.GetGroup()); err != nil {
			return nil, fault.InvalidFields(fault.Violation{Field: fmt.Sprintf("groups[%d].group", i), Description: err.Error()})
		}
		for _, n := range g.GetRevisions() {
			inUse.Revisions = append(inUse.Revisions, fleet.Revision(n))
		}
		for j, text := range g.GetDigests() {
			digest, err := fleet.ParseDigest(text)
			if err != nil {
				return nil, fault.InvalidFields(fault.Violation{Field: fmt.Sprintf("groups[%d].digests[%d]", i, j), Description: err.Error()})
			}
			inUse.Digests = append(inUse.Digests, digest)
		}
		c.Groups = append(c.Groups, inUse)
	}
	out, err := s.Service.Collect(ctx, c)
	if err != nil {
		return nil, err
	}
	return &translatorv1.CollectRevisionsResponse{
		Revisions: int64(out.Revisions), KeptRevisions: int64(out.Kept), Fragments: int64(out.Fragments), Manifests: int64(out.Manifests),
		Chunks: int64(out.Chunks),
	}, nil
}
