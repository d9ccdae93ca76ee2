package rpc_test

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/rpc"
)

func TestMessagesForPeople(t *testing.T) {
	for _, tt := range []struct {
		code      codes.Code
		got, want string
	}{
		{
			codes.Unavailable,
			`max retries exhausted: failed after 5 attempts: rpc error: code = Unavailable desc = connection error: desc = "transport: Error ` +
				`while dialing: dial tcp: lookup registry-2: no such host"`,
			"dial tcp: lookup registry-2: no such host",
		},
		{codes.Unavailable, "max retries exhausted: failed after 5 attempts: rpc error: code = Unavailable desc = the ledger does not answer; " +
			"try again", "the ledger does not answer; try again"},
		{codes.Unavailable, `connection error: desc = "transport: authentication handshake failed: tls: bad certificate"`,
			"authentication handshake failed: tls: bad certificate"},
		{codes.Unavailable, "name resolver error: produced zero addresses", "the name has no address"},
		{codes.Unavailable, "this replica is stopping", "this replica is stopping"},
		{codes.InvalidArgument, `a plugin with desc = "of its own"`, `a plugin with desc = "of its own"`},
	} {
		if got := rpc.Message(status.New(tt.code, tt.got)); got != tt.want {
			t.Errorf("%s is said as %q, want %q", tt.got, got, tt.want)
		}
	}
}

func TestWhyACallFailed(t *testing.T) {
	for want, err := range map[string]error{
		"the ledger does not answer; try again": fmt.Errorf("watch groups: %w",
			status.Error(codes.Unavailable, "max retries exhausted: failed after 5 attempts: rpc error: code = Unavailable desc = the ledger does "+
				"not answer; try again")),
		"internal error":   fmt.Errorf("watch groups: %w", status.Error(codes.Internal, "internal error")),
		"no call was made": errors.New("no call was made"),
	} {
		if got := rpc.Why(err); got != want {
			t.Errorf("%v is said as %q, want %q", err, got, want)
		}
	}
}
