package api

import (
	"context"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// ListNodes implements RegistryService.
func (s *Server) ListNodes(_ context.Context, r *registryv1.ListNodesRequest) (*registryv1.ListNodesResponse, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	token, err := parsePageToken(r.GetPageToken())
	if err != nil {
		return nil, err
	}
	group, node, _ := strings.Cut(token, "/")
	after := roster.Key{Group: fleet.GroupID(group), Node: fleet.NodeID(node)}
	found := s.View.Members(func(m view.Member) bool {
		return after.Compare(m.Key) < 0 && (r.GetGroup() == "" || string(m.Key.Group) == r.GetGroup())
	})
	answer := &registryv1.ListNodesResponse{}
	if size := rpcserver.PageSize(r.GetPageSize()); len(found) > size {
		found = found[:size]
		last := found[size-1].Key
		answer.NextPageToken = pageToken(string(last.Group) + "/" + string(last.Node))
	}
	for _, m := range found {
		out, err := nodeTo(m)
		if err != nil {
			return nil, err
		}
		answer.Nodes = append(answer.Nodes, out)
	}
	return answer, nil
}
