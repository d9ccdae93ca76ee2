package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func TestRoundTrip(t *testing.T) {
	sent := fault.New(fault.WrongState, "STALE_REVISION", "the group is at revision %d", 7).With("current_revision",
		"7").Because(errors.New("secret cause"))
	sent.RetryAfter = 3 * time.Second
	sent.Problems = []*fleetv1.Problem{{Document: "a.yaml", Line: 3, Message: "no"}}
	s := fault.ToStatus(fmt.Errorf("submit: %w", sent))
	if s.Code() != codes.FailedPrecondition || strings.Contains(s.Message(), "secret") {
		t.Fatalf("status %v: %q", s.Code(), s.Message())
	}
	var got *fault.Error
	if !errors.As(fault.FromStatus(s.Err()), &got) {
		t.Fatal("no fault came back")
	}
	if got.Reason != "STALE_REVISION" || got.Metadata["current_revision"] != "7" || got.RetryAfter != 3*time.Second || len(got.Problems) != 1 {
		t.Errorf("got %+v", got)
	}
	if !errors.Is(got, fault.Of(fault.WrongState)) || errors.Is(got, fault.Of(fault.Invalid)) {
		t.Error("errors.Is does not match by kind")
	}
}

func TestUnknownErrorIsWithheld(t *testing.T) {
	for _, err := range []error{errors.New("password=hunter2"), fault.New(fault.Internal, "X", "password=hunter2")} {
		if s := fault.ToStatus(err); s.Code() != codes.Internal || strings.Contains(s.Message(), "hunter2") {
			t.Errorf("ToStatus(%v) = %v %q", err, s.Code(), s.Message())
		}
	}
}

func TestContextAndCalledServiceKeepTheirCodes(t *testing.T) {
	for err, want := range map[error]codes.Code{
		fmt.Errorf("ask: %w", context.Canceled):         codes.Canceled,
		fmt.Errorf("ask: %w", context.DeadlineExceeded): codes.DeadlineExceeded,
		status.Error(codes.Unavailable, "gone"):         codes.Unavailable,
	} {
		if got := fault.ToStatus(err).Code(); got != want {
			t.Errorf("ToStatus(%v) = %v, want %v", err, got, want)
		}
	}
}

func TestDetailsFitATrailer(t *testing.T) {
	e := fault.New(fault.Invalid, "INVALID_CONFIG", "refused")
	for range 5000 {
		e.Problems = append(e.Problems, &fleetv1.Problem{Document: strings.Repeat("d", 50), Message: strings.Repeat("m", 200)})
	}
	s := fault.ToStatus(e)
	if size := proto.Size(s.Proto()); size > 7<<10 {
		t.Errorf("the status has %d bytes", size)
	}
	var got *fault.Error
	if !errors.As(fault.FromStatus(s.Err()), &got) || got.Metadata["problem_count"] != "5000" || len(got.Problems) == 0 {
		t.Errorf("the count is lost: %+v", got.Metadata)
	}
}

type storeError struct{ code codes.Code }

func (e storeError) Error() string    { return "etcdserver: password=hunter2" }
func (e storeError) Code() codes.Code { return e.code }

func TestALedgerThatIsAwayIsWorthAnotherTry(t *testing.T) {
	for code, want := range map[codes.Code]codes.Code{codes.Unavailable: codes.Unavailable, codes.InvalidArgument: codes.Internal} {
		s := fault.ToStatus(fmt.Errorf("commit: %w", storeError{code}))
		if s.Code() != want || strings.Contains(s.Message(), "hunter2") {
			t.Errorf("%s gave %v", code, s)
		}
		if got := fault.IsNoLedger(s.Err()); got != (want == codes.Unavailable) {
			t.Errorf("%s says that the ledger is away: %t", code, got)
		}
	}
}
