package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// QuarantineNode implements RegistryService.
func (s *Server) QuarantineNode(ctx context.Context, r *registryv1.QuarantineNodeRequest) (*registryv1.QuarantineNodeResponse, error) {
	now, bad := time.Now(), reason(nil, r.GetReason())
	if r.GetReason() == "" {
		bad = append(bad, fault.Violation{Field: "reason", Description: "is empty; say why rollouts do not wait for the node"})
	}
	node, err := s.changeNode(ctx, r.GetGroup(), r.GetNode(), bad, func(n roster.Node) (roster.Node, bool) {
		return roster.QuarantineNode(now, n, r.GetReason(), r.GetRequestId())
	})
	return &registryv1.QuarantineNodeResponse{Node: node}, err
}

// quarantineTo converts a quarantine; nil means none.
func quarantineTo(n *roster.Node) *registryv1.Quarantine {
	if n == nil || n.Quarantine == nil {
		return nil
	}
	return &registryv1.Quarantine{Reason: n.Quarantine.Reason, Since: timestamppb.New(n.Quarantine.Since)}
}
