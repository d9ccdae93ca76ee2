package etcdkv

import (
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// Refused reports whether etcd answered a request with a refusal: it has no space, or the caller has no permission. An etcd that cannot be
// reached or has no majority refused nothing; a HealthProbe reports that.
func Refused(err error) bool {
	var said rpctypes.EtcdError
	return errors.As(err, &said) && said.Code() != codes.Unavailable && said.Code() != codes.DeadlineExceeded
}

// full explains etcd's NOSPACE alarm and how to end it.
const full = "etcd has no space left and takes no writes; gateways keep their configuration. Compact and defragment etcd or raise " +
	"its quota, then disarm its alarm: etcdctl compact, etcdctl defrag, etcdctl alarm disarm (runbook ledger-full)"

// Fault returns the fault of a service whose etcd answered with an error, or did not answer. It returns other errors unchanged: faults, and
// errors of etcd that need no explanation.
func Fault(err error) error {
	var said rpctypes.EtcdError
	if err == nil || fault.KindOf(err) != fault.Internal || !errors.As(err, &said) {
		return err
	}
	switch {
	case errors.Is(said, rpctypes.ErrNoSpace):
		return fault.New(fault.Full, "LEDGER_FULL", full).Because(err)
	case errors.Is(said, rpctypes.ErrTooManyRequests):
		busy := fault.New(fault.Busy, "LEDGER_BUSY", "etcd has too many requests in progress; try again").Because(err)
		busy.RetryAfter = time.Second
		return busy
	case errors.Is(said, rpctypes.ErrRequestTooLarge):
		return fault.New(fault.TooLarge, "LEDGER_REQUEST_TOO_LARGE", "etcd takes no request of this size: its --max-request-bytes must be at "+
			"least 1572864, which is its default").Because(err)
	case said.Code() == codes.PermissionDenied, said.Code() == codes.Unauthenticated,
		errors.Is(said, rpctypes.ErrAuthFailed), errors.Is(said, rpctypes.ErrUserEmpty), errors.Is(said, rpctypes.ErrInvalidAuthToken),
		errors.Is(said, rpctypes.ErrAuthOldRevision):
		return fault.New(fault.Down, "LEDGER_DENIED", "etcd refuses this service: check its certificate and the rights of its user "+
			"in etcd").Because(err)
	case said.Code() == codes.Unavailable:
		return fault.NoLedger(err)
	}
	return err
}
