package endurance_test

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/distributor"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/services/translator"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const (
	group       = "g"
	waitTimeout = time.Minute
)

// plane is a control plane of real services over one etcd.
type plane struct {
	t        testing.TB
	etcd     *etcdtest.Server
	log      *slog.Logger
	now      func() time.Time
	registry *grpc.ClientConn
}

// replica is one replica of a service.
type replica struct {
	conn    *grpc.ClientConn
	metrics *prometheus.Registry
	stop    func()
}

// service is what all services have in common.
type service interface {
	Run(ctx context.Context) error
	Ready() error
}

// newPlane starts a registry with one group.
func newPlane(t testing.TB, etcd *etcdtest.Server, now func() time.Time) *plane {
	p := &plane{t: t, etcd: etcd, log: slog.New(slog.DiscardHandler), now: now}
	if os.Getenv("SILVERBACK_TEST_LOG") != "" {
		p.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	p.registry = p.start(etcd.Client(t), rpcserver.Config{}, func(r *replica, etcd *clientv3.Client) (service, error) {
		c := registry.Config{DefaultGroup: group, SessionTTL: time.Hour}
		return registry.New(c, registry.Deps{Etcd: etcd, Log: p.log, Metrics: r.metrics})
	}).conn
	groups := registryv1.NewRegistryServiceClient(p.registry)
	eventually(t, "the group is there", func() bool {
		_, err := groups.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: group})
		return err == nil
	})
	return p
}

func (p *plane) translator() *replica {
	p.t.Helper()
	return p.start(p.etcd.Client(p.t), rpcserver.Config{Large: translator.Large}, func(r *replica, etcd *clientv3.Client) (service, error) {
		return translator.New(translator.Config{}, translator.Deps{
			Etcd: etcd, Registry: registryv1.NewRegistryServiceClient(p.registry), Log: p.log, Metrics: r.metrics, Now: p.now,
		}), nil
	})
}

func (p *plane) distributor(c distributor.Config, etcd *clientv3.Client, translator translatorv1.TranslatorServiceClient) *replica {
	p.t.Helper()
	server := rpcserver.Config{Codec: distributor.Codec(), ReadBuffer: distributor.ReadBuffer}
	return p.start(etcd, server, func(r *replica, etcd *clientv3.Client) (service, error) {
		return distributor.New(c, distributor.Deps{
			Etcd: etcd, Registry: registryv1.NewRegistryServiceClient(p.registry), Translator: translator, Log: p.log, Metrics: r.metrics,
		})
	})
}

// start runs a replica over loopback, as its binary does, until the test ends.
func (p *plane) start(etcd *clientv3.Client, c rpcserver.Config, build func(*replica, *clientv3.Client) (service, error)) *replica {
	p.t.Helper()
	r := &replica{metrics: prometheus.NewRegistry()}
	built, err := build(r, etcd)
	if err != nil {
		p.t.Fatal(err)
	}
	c.Listen, c.StopTime = "127.0.0.1:0", 3*time.Second
	server, err := rpcserver.New(c, rpcserver.Deps{Log: p.log, Metrics: r.metrics})
	if err != nil {
		p.t.Fatal(err)
	}
	switch s := built.(type) {
	case *distributor.Distributor:
		s.Register(server)
	case interface {
		Register(grpc.ServiceRegistrar)
		Drain()
	}:
		s.Register(server)
		server.OnDrain(s.Drain)
	}
	if r.conn, err = rpc.Dial(rpc.ClientConfig{Addresses: []string{server.Address()}, MaxReceive: 80 << 20}); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = run.All(ctx, server.Serve, built.Run) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done; _ = r.conn.Close() })
	p.t.Cleanup(r.stop)
	eventually(p.t, "the replica is ready", func() bool { return built.Ready() == nil })
	return r
}

// value is the sum of a metric.
func (r *replica) value(t testing.TB, name, label string) (sum float64) {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// eventually asks again and again; it is for what has no event to wait on.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(waitTimeout)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// client returns a client of etcd with the prefix of the services.
func (p *plane) client() *clientv3.Client {
	p.t.Helper()
	c, err := etcdkv.Dial(etcdkv.Config{Endpoints: p.etcd.Endpoints})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	return c
}
