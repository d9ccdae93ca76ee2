package rpcserver

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
)

func TestOnlyALongWaitForTheLedgerIsFinal(t *testing.T) {
	ledger := fault.ToStatus(fault.NoLedger(errors.New("no leader")))
	for _, tt := range []struct {
		name string
		s    *status.Status
		took time.Duration
		want bool
	}{
		{"the ledger, after a wait", ledger, 5 * time.Second, true},
		{"the ledger, at once", ledger, 10 * time.Millisecond, false},
		{"starting", fault.ToStatus(fault.New(fault.Down, "STARTING", "not yet")), 5 * time.Second, false},
		{"stopping", fault.ToStatus(fault.New(fault.Down, "STOPPING", "stops")), 5 * time.Second, false},
		{"nobody knows why", status.New(codes.Unavailable, "gone"), 5 * time.Second, false},
		{"another code", fault.ToStatus(fault.New(fault.Missing, "LEDGER_DOWN", "odd")), 5 * time.Second, false},
	} {
		if got := final(tt.s, tt.took); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
