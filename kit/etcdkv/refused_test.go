package etcdkv

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("grant lease: %w", rpctypes.ErrNoSpace), true},
		{rpctypes.ErrPermissionDenied, true},
		{rpctypes.ErrNoLeader, false},
		{rpctypes.ErrTimeout, false},
		{rpctypes.ErrTooManyRequests, true},
		{context.DeadlineExceeded, false},
		{status.Error(codes.Unavailable, "connection refused"), false},
		{errors.New("another"), false},
		{nil, false},
	} {
		if got := Refused(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}
