package translator_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/rpc"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/translator"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// Nobody waits for a replica without knowing what it waits for, and an etcd that goes later does not make it unready.
func TestAReplicaSaysThatItsEtcdIsAway(t *testing.T) {
	server := etcdtest.Start(t)
	server.Stop(0)
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{startRegistry(t).address}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	l := &logs{}
	service := translator.New(translator.Config{}, translator.Deps{
		Etcd: server.Client(t), Registry: registryv1.NewRegistryServiceClient(conn), Log: slog.New(slog.NewTextHandler(l, nil)),
		Metrics: prometheus.NewRegistry(),
	})
	asked := errors.New("asked to stop")
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	eventually(t, "it says what it waits for", func() bool {
		err := service.Ready()
		return err != nil && strings.Contains(err.Error(), "etcd at "+server.Endpoints[0]+" has not answered")
	})
	server.Restart(t, 0)
	eventually(t, "it is ready", func() bool { return service.Ready() == nil && service.Warning() == "" })
	server.Stop(0)
	eventually(t, "it remarks that etcd is away", func() bool { return strings.Contains(service.Warning(), server.Endpoints[0]) })
	if err := service.Ready(); err != nil {
		t.Errorf("it is not ready any more: %v", err)
	}
	for _, line := range []string{`msg="etcd does not answer yet`, `msg="etcd answers"`, `msg="etcd does not answer; `} {
		// The log is told after who asks.
		eventually(t, "the log has one line with "+line, func() bool { return strings.Count(l.String(), line) == 1 })
	}
	cancel(asked)
	if err := <-ended; !errors.Is(err, asked) {
		t.Errorf("it ended with %v", err)
	}
}
