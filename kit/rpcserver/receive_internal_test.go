package rpcserver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestARequestMustComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		never := func() error { <-ctx.Done(); return ctx.Err() }
		began := time.Now()
		if err := receiveWithin(ctx, 30*time.Second, never); status.Code(err) != codes.InvalidArgument || time.Since(began) != 30*time.Second {
			t.Errorf("a request that never comes: %v after %s", err, time.Since(began))
		}
		if err := receiveWithin(ctx, 30*time.Second, func() error { <-time.After(29 * time.Second); return nil }); err != nil {
			t.Errorf("a slow request: %v", err)
		}
		gone, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := receiveWithin(gone, 30*time.Second, never); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a client that is gone: %v", err)
		}
	})
}
