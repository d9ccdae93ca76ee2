package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// LocateEntities implements the rpc of that name.
func (s *Server) LocateEntities(ctx context.Context, r *translatorv1.LocateEntitiesRequest) (*translatorv1.LocateEntitiesResponse, error) {
	in, err := s.Service.Revision(ctx, fleet.GroupID(r.GetGroup()), fleet.Revision(r.GetRevision()))
	if err != nil {
		return nil, err
	}
	var wanted []desired.EntityRef
	for _, e := range r.GetEntities() {
		wanted = append(wanted, desired.EntityRef{Kind: e.GetKind(), ID: e.GetId(), Name: e.GetName()})
	}
	found, err := s.Service.Locate(ctx, in, wanted)
	if err != nil {
		return nil, err
	}
	answer := &translatorv1.LocateEntitiesResponse{}
	for _, f := range found {
		answer.Origins = append(answer.Origins, &translatorv1.LocateEntitiesResponse_Origin{
			Entity: &translatorv1.EntityRef{Kind: f.Ref.Kind, Id: f.Ref.ID, Name: f.Ref.Name},
			Source: string(f.Origin.Source), Document: f.Origin.Document, Line: int32(f.Origin.Line),
		})
	}
	return answer, nil
}
