package api

import (
	"context"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// GetNode implements RegistryService.
func (s *Server) GetNode(_ context.Context, r *registryv1.GetNodeRequest) (*registryv1.GetNodeResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	found := s.View.Members(func(m view.Member) bool {
		return string(m.Key.Node) == r.GetNode() && (r.GetGroup() == "" || string(m.Key.Group) == r.GetGroup())
	})
	switch len(found) {
	case 0:
		return nil, fault.New(fault.Missing, "NODE_NOT_FOUND", "node %q does not exist", r.GetNode()).With("node", r.GetNode())
	case 1:
		out, err := nodeTo(found[0])
		return &registryv1.GetNodeResponse{Node: out}, err
	}
	return nil, fault.InvalidFields(fault.Violation{Field: "group", Description: "several groups have a node of this name; name the group"})
}
