package api

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// DrainNode implements RegistryService.
func (s *Server) DrainNode(ctx context.Context, r *registryv1.DrainNodeRequest) (*registryv1.DrainNodeResponse, error) {
	var bad []fault.Violation
	if n := len(r.GetReason()); n > roster.MaxDrainReason || !utf8.ValidString(r.GetReason()) {
		bad = append(bad, fault.Violation{Field: "reason", Description: fmt.Sprintf("has %d bytes; at most %d of UTF-8 are allowed", n,
			roster.MaxDrainReason)})
	}
	now := time.Now()
	node, err := s.changeNode(ctx, r.GetGroup(), r.GetNode(), bad, func(n roster.Node) (roster.Node, bool) {
		return roster.DrainNode(now, n, r.GetReason(), r.GetRequestId())
	})
	return &registryv1.DrainNodeResponse{Node: node}, err
}

// changeNode changes the record of a node and returns the node as it then stands. bad is what is wrong with the request besides names.
func (s *Server) changeNode(ctx context.Context, group, node string, bad []fault.Violation,
	decide func(roster.Node) (roster.Node, bool)) (*registryv1.Node, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	if err := invalid(name(name(bad, "group", "group", group), "node", "node", node)); err != nil {
		return nil, err
	}
	key := roster.Key{Group: fleet.GroupID(group), Node: fleet.NodeID(node)}
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

// drainTo is what is told of a drain; nil when there is none.
func drainTo(n *roster.Node) *registryv1.Drain {
	if n == nil || n.Drain == nil {
		return nil
	}
	return &registryv1.Drain{Reason: n.Drain.Reason, Since: timestamppb.New(n.Drain.Since)}
}
