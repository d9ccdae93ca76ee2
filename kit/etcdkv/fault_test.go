package etcdkv_test

import (
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
)

// What etcd answers is one of few things for whoever asked a service, and never a mistake of ours.
func TestWhatEtcdRefusesIsAFault(t *testing.T) {
	for _, c := range []struct {
		said   error
		reason string
		code   codes.Code
	}{
		{rpctypes.ErrNoSpace, "LEDGER_FULL", codes.ResourceExhausted},
		{rpctypes.ErrTooManyRequests, "LEDGER_BUSY", codes.ResourceExhausted},
		{rpctypes.ErrRequestTooLarge, "LEDGER_REQUEST_TOO_LARGE", codes.ResourceExhausted},
		{rpctypes.ErrPermissionDenied, "LEDGER_DENIED", codes.Unavailable},
		{rpctypes.ErrInvalidAuthToken, "LEDGER_DENIED", codes.Unavailable},
		{rpctypes.ErrAuthFailed, "LEDGER_DENIED", codes.Unavailable},
		{rpctypes.ErrUserEmpty, "LEDGER_DENIED", codes.Unavailable},
		{rpctypes.ErrNoLeader, "LEDGER_DOWN", codes.Unavailable},
		{rpctypes.ErrTimeout, "LEDGER_DOWN", codes.Unavailable},
	} {
		got := etcdkv.Fault(fmt.Errorf("write: %w", c.said))
		var e *fault.Error
		if !errors.As(got, &e) || e.Reason != c.reason || fault.ToStatus(got).Code() != c.code || !errors.Is(got, c.said) {
			t.Errorf("%v became %v, %s", c.said, got, fault.ToStatus(got).Code())
		}
	}
	for _, err := range []error{nil, errors.New("a mistake"), rpctypes.ErrLeaseNotFound, fault.New(fault.Conflict, "LOST_RACE", "lost")} {
		if got := etcdkv.Fault(err); !errors.Is(got, err) || got != nil && got.Error() != err.Error() {
			t.Errorf("%v became %v", err, got)
		}
	}
}
