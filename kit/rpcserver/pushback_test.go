package rpcserver_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// waiting answers the first tries of a call with a fault, each after a wait as for an etcd that does not answer.
type waiting struct {
	registryv1.UnimplementedRegistryServiceServer
	with  error
	fails int32
	tries atomic.Int32
}

func (w *waiting) wait(ctx context.Context) error {
	if w.tries.Add(1) > w.fails {
		return nil
	}
	select {
	case <-time.After(1100 * time.Millisecond):
		return w.with
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *waiting) GetGroup(ctx context.Context, _ *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	return &registryv1.GetGroupResponse{}, w.wait(ctx)
}

func (w *waiting) WatchGroups(_ *registryv1.WatchGroupsRequest, s registryv1.RegistryService_WatchGroupsServer) error {
	return w.wait(s.Context())
}

// A client does not wait several times over for a ledger that the server waited for already. Other answers, however late, send it on.
func TestWhatAServerWaitedForIsNotTriedAgain(t *testing.T) {
	ledger := fault.NoLedger(errors.New("no leader"))
	for name, tt := range map[string]struct {
		with  error
		fails int32
		tries int32
	}{
		"the ledger is down":                       {ledger, 100, 1},
		"a called service says its ledger is down": {fault.ToStatus(ledger).Err(), 100, 1},
		"the replica is stopping":                  {fault.New(fault.Down, "STOPPING", "this replica is stopping"), 1, 2},
	} {
		for method, call := range map[string]func(registryv1.RegistryServiceClient) error{
			"unary": func(c registryv1.RegistryServiceClient) error {
				_, err := c.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"})
				return err
			},
			"stream": func(c registryv1.RegistryServiceClient) error {
				stream, err := c.WatchGroups(t.Context(), &registryv1.WatchGroupsRequest{})
				if err == nil {
					_, err = stream.Recv()
				}
				return err
			},
		} {
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				w := &waiting{with: tt.with, fails: tt.fails}
				err := call(serve(t, w))
				if w.tries.Load() != tt.tries {
					t.Errorf("%d tries, want %d; the last was answered %v", w.tries.Load(), tt.tries, err)
				}
				if tt.tries == 1 && !fault.IsNoLedger(err) {
					t.Errorf("answered %v", err)
				}
			})
		}
	}
}

func serve(t *testing.T, service registryv1.RegistryServiceServer) registryv1.RegistryServiceClient {
	t.Helper()
	s, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0"}, rpcserver.Deps{Log: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(s, service)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ctx) }()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{s.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-done; _ = conn.Close() })
	return registryv1.NewRegistryServiceClient(conn)
}
