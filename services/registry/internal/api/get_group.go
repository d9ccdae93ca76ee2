package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// GetGroup implements RegistryService.
func (s *Server) GetGroup(_ context.Context, r *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	g, ok := s.View.Group(fleet.GroupID(r.GetName()))
	if !ok {
		return nil, roster.NoGroup(roster.Key{Group: fleet.GroupID(r.GetName())})
	}
	out, err := groupTo(g)
	unmanaged := s.View.Members(func(m view.Member) bool {
		return m.Key.Group == g.Name && m.Current.Node.Quarantine == nil && m.State() != roster.Gone && m.Report().Unmanaged
	})
	return &registryv1.GetGroupResponse{Group: out, UnmanagedNodes: int32(len(unmanaged))}, err
}
