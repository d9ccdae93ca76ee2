package api

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// CreateGroup implements RegistryService.
func (s *Server) CreateGroup(ctx context.Context, r *registryv1.CreateGroupRequest) (*registryv1.CreateGroupResponse, error) {
	g, err := groupFrom(r.GetGroup())
	if err != nil {
		return nil, err
	}
	g.Created = time.Now()
	g.Updated = g.Created
	there, revision, created, err := s.Ledger.CreateGroup(ctx, g)
	if err != nil {
		return nil, down(err)
	}
	if !created && !there.SameContent(g) {
		return nil, fault.New(fault.Exists, "GROUP_EXISTS", "group %q exists with other content", g.Name).With("group", string(g.Name))
	}
	s.awaitView(ctx, revision)
	out, err := groupTo(view.Group{Group: there, Revision: revision, Schemas: s.View.Schemas(there.Name, there.Trusted)})
	return &registryv1.CreateGroupResponse{Group: out}, err
}
