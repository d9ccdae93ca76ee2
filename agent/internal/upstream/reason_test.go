package upstream

import (
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

// The reason stands in the conditions of a node, which people read.
func TestReasonsForPeople(t *testing.T) {
	refused := grpcstatus.Error(codes.Unavailable,
		`max retries exhausted: failed after 5 attempts: rpc error: code = Unavailable desc = connection error: desc = "transport: Error `+
			`while dialing: dial tcp 10.0.0.1:7442: connect: connection refused"`)
	for want, err := range map[string]error{
		"Unavailable: dial tcp 10.0.0.1:7442: connect: connection refused": refused,
		"PermissionDenied: not yours":                                      grpcstatus.Error(codes.PermissionDenied, "not yours"),
		"the connection ended":                                             io.EOF,
	} {
		if got := reason(err); got != want {
			t.Errorf("%v is said as %q, want %q", err, got, want)
		}
	}
}
