package rpc_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// registry answers with the name that it was asked for.
type registry struct {
	registryv1.UnimplementedRegistryServiceServer
}

func (registry) GetGroup(_ context.Context, r *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	return &registryv1.GetGroupResponse{Group: &registryv1.Group{Name: r.GetName()}}, nil
}

// TestALargeCallIsRepeated breaks the connection in the middle of a call of a megabyte. The next connection must get the whole call.
func TestALargeCallIsRepeated(t *testing.T) {
	s, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0", MaxReceive: 2 << 20},
		rpcserver.Deps{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(s, registry{})
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(done); _ = s.Serve(ctx) }()
	defer func() { cancel(); <-done }()

	between, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	go func() {
		for first := true; ; first = false {
			client, err := between.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", s.Address())
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			go func() {
				if first {
					_, _ = io.CopyN(server, client, 512<<10)
					close(cut)
				} else {
					_, _ = io.Copy(server, client)
				}
				_, _ = server.Close(), client.Close()
			}()
		}
	}()
	defer func() { _ = between.Close() }()

	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{between.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	name := strings.Repeat("x", 1<<20)
	answer, err := registryv1.NewRegistryServiceClient(conn).GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: name})
	if err != nil || answer.GetGroup().GetName() != name {
		t.Errorf("the call was not repeated: %v", err)
	}
	select {
	case <-cut:
	default:
		t.Error("no connection was cut")
	}
}
