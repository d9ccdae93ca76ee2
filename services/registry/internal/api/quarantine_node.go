package api

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// QuarantineNode implements RegistryService.
func (s *Server) QuarantineNode(ctx context.Context, r *registryv1.QuarantineNodeRequest) (*registryv1.QuarantineNodeResponse, error) {
	var bad []fault.Violation
	switch n := len(r.GetReason()); {
	case n == 0:
		bad = append(bad, fault.Violation{Field: "reason", Description: "is empty; whoever comes next must know why rollouts do not wait for " +
			"the node"})
	case n > roster.MaxQuarantineReason || !utf8.ValidString(r.GetReason()):
		bad = append(bad, fault.Violation{Field: "reason", Description: fmt.Sprintf("has %d bytes; at most %d of UTF-8 are allowed", n,
			roster.MaxQuarantineReason)})
	}
	now := time.Now()
	node, err := s.changeNode(ctx, r.GetGroup(), r.GetNode(), bad, func(n roster.Node) (roster.Node, bool) {
		return roster.QuarantineNode(now, n, r.GetReason(), r.GetRequestId())
	})
	return &registryv1.QuarantineNodeResponse{Node: node}, err
}

// quarantineTo is what is told of a quarantine; nil when there is none.
func quarantineTo(n *roster.Node) *registryv1.Quarantine {
	if n == nil || n.Quarantine == nil {
		return nil
	}
	return &registryv1.Quarantine{Reason: n.Quarantine.Reason, Since: timestamppb.New(n.Quarantine.Since)}
}
