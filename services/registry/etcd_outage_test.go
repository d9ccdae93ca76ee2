package registry_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// Nobody waits for a replica without knowing what it waits for. It stops as asked although etcd stopped before it.
func TestAReplicaSaysThatItsEtcdIsAway(t *testing.T) {
	server := etcdtest.Start(t)
	server.Stop(0)
	service, err := registry.New(registry.Config{}, registry.Deps{Etcd: server.Client(t), Log: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry()})
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
	eventually(t, "it is ready", func() bool { return service.Ready() == nil && service.Warning() == "" })
	server.Stop(0)
	eventually(t, "it remarks that etcd is away", func() bool { return strings.Contains(service.Warning(), server.Endpoints[0]) })
	if err := service.Ready(); err != nil {
		t.Errorf("it is not ready any more: %v", err)
	}
	cancel(asked)
	if err := <-ended; !errors.Is(err, asked) {
		t.Errorf("it ended with %v", err)
	}
}

// Who has something written must hear that the ledger is away before the time of the call is over: then nobody would know what is.
func TestAWriteWithoutEtcdIsToldWhatIsAway(t *testing.T) {
	way := etcdtest.Start(t).Cut(t)
	r := start(t, way.Client(t), registry.Config{})
	r.group(t, "g")
	if err := r.enrol("a", "1", serving()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is in the view", func() bool { return r.node(t, "a") != nil })
	way.Sever()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	group := &registryv1.Group{Name: "h"}
	var all sync.WaitGroup
	for name, write := range map[string]func() error{
		"CreateGroup": func() error {
			_, err := r.CreateGroup(ctx, &registryv1.CreateGroupRequest{Group: group})
			return err
		},
		"UpdateGroup": func() error {
			_, err := r.UpdateGroup(ctx, &registryv1.UpdateGroupRequest{Group: group})
			return err
		},
		"DeleteGroup": func() error {
			_, err := r.DeleteGroup(ctx, &registryv1.DeleteGroupRequest{Name: "h"})
			return err
		},
		"DrainNode": func() error {
			_, err := r.DrainNode(ctx, &registryv1.DrainNodeRequest{Group: "g", Node: "a"})
			return err
		},
		"UndrainNode": func() error {
			_, err := r.UndrainNode(ctx, &registryv1.UndrainNodeRequest{Group: "g", Node: "a"})
			return err
		},
		"DeleteNode": func() error {
			_, err := r.DeleteNode(ctx, &registryv1.DeleteNodeRequest{Group: "g", Node: "a"})
			return err
		},
		"GetSchemas": func() error {
			_, err := r.GetSchemas(ctx, &registryv1.GetSchemasRequest{Digest: "sha256:" + strings.Repeat("0", 64)})
			return err
		},
	} {
		all.Go(func() {
			if err := write(); !fault.IsNoLedger(err) {
				t.Errorf("%s was answered %v", name, err)
			}
		})
	}
	all.Wait()
	if a, err := r.ListNodes(t.Context(), &registryv1.ListNodesRequest{}); err != nil || len(a.GetNodes()) != 1 {
		t.Errorf("what is known is %v, %v", a, err)
	}
	way.Mend()
	eventually(t, "writes are done again", func() bool {
		_, err := r.CreateGroup(t.Context(), &registryv1.CreateGroupRequest{Group: group})
		return err == nil
	})
}
