package api

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// UpdateGroup implements RegistryService.
func (s *Server) UpdateGroup(ctx context.Context, r *registryv1.UpdateGroupRequest) (*registryv1.UpdateGroupResponse, error) {
	next, err := groupFrom(r.GetGroup())
	if err != nil {
		return nil, err
	}
	before, revision, err := s.Ledger.Group(ctx, next.Name)
	if err != nil {
		return nil, down(err)
	}
	if before == nil {
		return nil, roster.NoGroup(roster.Key{Group: next.Name})
	}
	// A repeated request succeeds, whatever its etag.
	if before.SameContent(next) {
		out, err := groupTo(view.Group{Group: *before, Revision: revision, Schemas: s.View.Schemas(next.Name, next.Trusted)})
		return &registryv1.UpdateGroupResponse{Group: out}, err
	}
	if tag := r.GetGroup().GetEtag(); tag != "" && tag != etag(revision) {
		return nil, fault.New(fault.Conflict, "STALE_ETAG", "group %q changed since it was read", next.Name).With("group", string(next.Name))
	}
	next.Created, next.Updated = before.Created, time.Now()
	if revision, err = s.Ledger.UpdateGroup(ctx, next, revision); err != nil {
		return nil, down(err)
	}
	s.awaitView(ctx, revision)
	out, err := groupTo(view.Group{Group: next, Revision: revision, Schemas: s.View.Schemas(next.Name, next.Trusted)})
	return &registryv1.UpdateGroupResponse{Group: out}, err
}
