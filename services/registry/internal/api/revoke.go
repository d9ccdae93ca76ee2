package api

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// revocation is what a call requests.
type revocation struct {
	reason, request string
	forget          bool // delete the node too
}

// revoke writes a revocation, and waits briefly for this replica to enforce it.
func (s *Server) revoke(ctx context.Context, key roster.Key, asked revocation) (*registryv1.Revocation, error) {
	now, who := time.Now(), identity.Caller(ctx)
	if who.Kind == identity.Nobody {
		return nil, fault.New(fault.WrongState, "CALLERS_NOT_TOLD_APART",
			"this registry does not authenticate callers, so a revocation has no effect: give the services --client-ca-file")
	}
	r, revision, err := s.Ledger.Revoke(ctx, key, asked.forget, func(before *roster.Revocation, total int64) (roster.Revocation, error) {
		next, err := roster.Revoke(now, before, total, roster.Revocation{Reason: asked.reason, By: who.String(), Request: asked.request})
		if asked.forget && next.Reason == "" {
			next.Reason = "the node was deleted"
		}
		return next, err
	})
	if err != nil {
		return nil, down(err)
	}
	s.awaitView(ctx, revision)
	return revocationTo(view.Revocation{Revocation: r, Key: key}), nil
}

// unrevoke ends a revocation, and waits briefly for this replica to see it.
func (s *Server) unrevoke(ctx context.Context, key roster.Key) error {
	revision, err := s.Ledger.Unrevoke(ctx, key)
	if err != nil {
		return down(err)
	}
	s.awaitView(ctx, revision)
	return nil
}

func userName(bad []fault.Violation, name string) []fault.Violation {
	if err := identity.ValidUser(name); err != nil {
		return append(bad, fault.Violation{Field: "name", Description: err.Error()})
	}
	return bad
}

func revocationTo(r view.Revocation) *registryv1.Revocation {
	who := r.Key.Revoked()
	kind := registryv1.Revocation_KIND_NODE
	if who.Kind == identity.User {
		kind = registryv1.Revocation_KIND_USER
	}
	return &registryv1.Revocation{
		Kind: kind, Group: who.Group, Name: who.Name, Reason: clean.Line(r.Reason, roster.MaxReason), RevokedBy: r.By,
		CreateTime: timestamppb.New(r.Since), IssuedUntil: timestamppb.New(r.Until),
	}
}
