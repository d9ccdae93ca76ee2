package registry_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// Nobody waits for a replica without knowing what it waits for. It stops as asked although etcd stopped before it.
func TestAReplicaSaysThatItsEtcdIsAway(t *testing.T) {
	server := etcdtest.Start(t)
	server.Stop(0)
	service, err := registry.New(registry.Config{}, registry.Deps{Etcd: server.Client(t), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	asked := errors.New("asked to stop")
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	eventually(t, "it says what it waits for", func() bool {
		err := service.Ready()
		return err != nil && strings.Contains(err.Error(), "etcd at "+server.Endpoints[0]+" has not answered")
	})
	server.Restart(t, 0)
	eventually(t, "it is ready", func() bool { return service.Ready() == nil && service.Remark() == "" })
	server.Stop(0)
	eventually(t, "it remarks that etcd is away", func() bool { return strings.Contains(service.Remark(), server.Endpoints[0]) })
	if err := service.Ready(); err != nil {
		t.Errorf("it is not ready any more: %v", err)
	}
	cancel(asked)
	if err := <-ended; !errors.Is(err, asked) {
		t.Errorf("it ended with %v", err)
	}
}
