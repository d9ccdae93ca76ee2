package rpc_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/silverback-gateway/silverback/kit/rpc"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// A server that refuses calls before it reads them may end a call before its request was written. The caller gets the refusal all
// the same, also when it was the last of several attempts.
func TestARefusalBeforeTheRequestIsHeard(t *testing.T) {
	s := grpc.NewServer(grpc.InTapHandle(func(context.Context, *tap.Info) (context.Context, error) {
		return nil, status.Error(codes.Unavailable, "because")
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	defer func() { s.Stop(); <-done }()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	c := registryv1.NewRegistryServiceClient(conn)
	var calls errgroup.Group
	for range 500 {
		calls.Go(func() error {
			_, err := c.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"})
			if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "because") {
				return fmt.Errorf("got %w", err)
			}
			return nil
		})
	}
	if err := calls.Wait(); err != nil {
		t.Error(err)
	}
}
