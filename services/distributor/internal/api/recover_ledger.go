package api

import (
	"context"
	"strings"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/services/distributor/internal/recovery"
)

// RecoverLedger begins another epoch of the ledger.
func (s *RolloutService) RecoverLedger(ctx context.Context, r *distributorv1.RecoverLedgerRequest) (*distributorv1.RecoverLedgerResponse,
	error) {
	if strings.TrimSpace(r.GetReason()) == "" {
		return nil, fault.InvalidFields(fault.Violation{Field: "reason", Description: "say why the ledger is recovered: it is kept with the " +
			"epoch"})
	}
	state, err := s.Ledger.Recover(ctx, recovery.Request{Reason: r.GetReason(), Author: authorOf(ctx), RequestID: r.GetRequestId(),
		Force: r.GetForce()})
	if err != nil {
		return nil, err
	}
	return &distributorv1.RecoverLedgerResponse{Ledger: s.ledgerMessage(state)}, nil
}

// authorOf returns the name of the caller, as far as it is known.
func authorOf(ctx context.Context) string {
	if who := identity.Caller(ctx); who.Kind != identity.Nobody {
		return who.Name
	}
	return "anonymous"
}
