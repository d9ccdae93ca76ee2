package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// DrainNode implements RegistryService.
func (s *Server) DrainNode(ctx context.Context, r *registryv1.DrainNodeRequest) (*registryv1.DrainNodeResponse, error) {
	now, bad := time.Now(), reason(nil, r.GetReason())
	node, err := s.changeNode(ctx, r.GetGroup(), r.GetNode(), bad, func(n roster.Node) (roster.Node, bool) {
		return roster.DrainNode(now, n, r.GetReason(), r.GetRequestId())
	})
	return &registryv1.DrainNodeResponse{Node: node}, err
}

// changeNode changes the record of a node and returns the node. bad holds further violations of the request.
func (s *Server) changeNode(ctx context.Context, group, node string, bad []fault.Violation,
	decide func(roster.Node) (roster.Node, bool)) (*registryv1.Node, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	key, err := keyOf(group, node, bad...)
	if err != nil {
		return nil, err
	}
	revision, err := s.Ledger.ChangeNode(ctx, key, decide)
	if err != nil {
		return nil, down(err)
	}
	s.awaitView(ctx, revision)
	m, ok := s.View.Member(key)
	if !ok {
		return nil, roster.NoNode(key) // deleted in the same moment
	}
	return nodeTo(m)
}

// drainTo converts a drain; nil means none.
func drainTo(n *roster.Node) *registryv1.Drain {
	if n == nil || n.Drain == nil {
		return nil
	}
	return &registryv1.Drain{Reason: n.Drain.Reason, Since: timestamppb.New(n.Drain.Since)}
}
