// Package controlplane runs the control plane inside the process: two registries, two translators and three distributors, each constructed
// as in its binary.
package controlplane

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/distributor"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/services/translator"
)

// Config configures the control plane.
type Config struct {
	Etcd      string // endpoint
	Group     string // created at the start
	FreePorts bool
	Log       *slog.Logger
	// CollectInterval and KeepRevisions are settings of distributors; 0 means their default.
	CollectInterval time.Duration
	KeepRevisions   int
}

// The first replica of a service has the service's usual port. The ports of the others follow in steps of three. HTTP is ten above.
const (
	registryPort    = 7440
	translatorPort  = 7441
	distributorPort = 7442
	nextReplica     = 3
	httpAbove       = 10

	registries   = 2
	translators  = 2
	distributors = 3
)

// service is the common interface of the replicas of all services.
type service interface {
	Run(ctx context.Context) error
	Ready() error
}

type replica struct {
	name    string
	service service
	server  *rpcserver.Server
	http    *telemetry.HTTP
	close   []func()
}

// A ControlPlane is all replicas of all services.
type ControlPlane struct {
	config   Config
	replicas []*replica
	at       map[string][]string // addresses by service
}

// New opens every listener; Run serves.
func New(c Config) (_ *ControlPlane, err error) {
	p := &ControlPlane{config: c, at: map[string][]string{}}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	for i := range registries {
		err := p.add("registry", i, registryPort, rpcserver.Config{}, func(d deps) (service, error) {
			return registry.New(registry.Config{DefaultGroup: c.Group, Replica: d.name, SessionTTL: 9 * time.Second, RenewInterval: 2 * time.Second},
				registry.Deps{Etcd: d.etcd, Log: d.log, Metrics: d.metrics})
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range translators {
		err := p.add("translator", i, translatorPort, rpcserver.Config{Large: translator.Large}, func(d deps) (service, error) {
			conn, err := d.dial(p.Registry())
			if err != nil {
				return nil, err
			}
			return translator.New(translator.Config{}, translator.Deps{Etcd: d.etcd, Registry: registryv1.NewRegistryServiceClient(conn),
				Log: d.log, Metrics: d.metrics}), nil
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range distributors {
		err := p.add("distributor", i, distributorPort, rpcserver.Config{Codec: distributor.Codec(), ReadBuffer: distributor.ReadBuffer},
			func(d deps) (service, error) {
				toRegistry, err := d.dial(p.Registry())
				if err != nil {
					return nil, err
				}
				toTranslator, err := d.dial(p.Translator())
				if err != nil {
					return nil, err
				}
				return distributor.New(distributor.Config{
					ReplicaID: d.name, ReconnectSpread: 200 * time.Millisecond, KeepRevisions: c.KeepRevisions, KeepAge: distributor.DefaultKeepAge,
					CollectInterval: cmp.Or(c.CollectInterval, distributor.DefaultCollectInterval),
				}, distributor.Deps{
					Etcd: d.etcd, Registry: registryv1.NewRegistryServiceClient(toRegistry),
					Translator: translatorv1.NewTranslatorServiceClient(toTranslator),
					Log:        d.log, Metrics: d.metrics,
				})
			})
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// deps are the arguments of a replica's constructor. What it opens is closed with the replica.
type deps struct {
	name    string
	etcd    *clientv3.Client
	log     *slog.Logger
	metrics *prometheus.Registry
	replica *replica
}

func (d deps) dial(addresses []string) (*grpc.ClientConn, error) {
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: addresses})
	if err == nil {
		d.replica.close = append(d.replica.close, func() { _ = conn.Close() })
	}
	return conn, err
}

func (p *ControlPlane) add(kind string, i, port int, c rpcserver.Config, build func(deps) (service, error)) error {
	r := &replica{name: fmt.Sprintf("%s-%d", kind, i+1)}
	p.replicas = append(p.replicas, r)
	log := p.config.Log.With("replica", r.name)
	metrics := telemetry.NewMetrics()
	etcd, err := etcdkv.Dial(etcdkv.Config{Endpoints: []string{p.config.Etcd}, Prefix: etcdkv.DefaultPrefix,
		Metrics: etcdkv.NewMetrics(metrics)})
	if err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	r.close = append(r.close, func() { _ = etcd.Close() })
	if r.service, err = build(deps{name: r.name, etcd: etcd, log: log, metrics: metrics, replica: r}); err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	c.Listen, c.StopTime = p.address(port+nextReplica*i), 3*time.Second
	if r.server, err = rpcserver.New(c, rpcserver.Deps{Log: log, Metrics: metrics}); err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	r.close = append(r.close, r.server.Stop)
	switch s := r.service.(type) {
	case *distributor.Distributor:
		s.Register(r.server)
	case interface {
		Register(grpc.ServiceRegistrar)
		Drain()
	}:
		s.Register(r.server)
		r.server.OnDrain(s.Drain)
	}
	if r.http, err = telemetry.Listen(telemetry.HTTPConfig{Listen: p.address(port + nextReplica*i + httpAbove)}, metrics, nil,
		r.service.Ready); err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	p.at[kind] = append(p.at[kind], r.server.Address())
	return nil
}

func (p *ControlPlane) address(port int) string {
	if p.config.FreePorts {
		port = 0
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// Run runs every replica until ctx ends.
func (p *ControlPlane) Run(ctx context.Context) error {
	var loops []run.Loop
	for _, r := range p.replicas {
		loops = append(loops, r.server.Serve, r.service.Run, r.http.Serve)
	}
	return run.All(ctx, loops...)
}

// Close frees the resources of the replicas.
func (p *ControlPlane) Close() {
	for _, r := range p.replicas {
		for i := len(r.close) - 1; i >= 0; i-- {
			r.close[i]()
		}
		r.close = nil
	}
}

// Registry returns the addresses of the registry's replicas.
func (p *ControlPlane) Registry() []string { return p.at["registry"] }

// Translator returns the addresses of the translator's replicas.
func (p *ControlPlane) Translator() []string { return p.at["translator"] }

// Distributor returns the addresses of the distributor's replicas.
func (p *ControlPlane) Distributor() []string { return p.at["distributor"] }

// Metrics returns the addresses of the HTTP listeners by replica.
func (p *ControlPlane) Metrics() map[string]string {
	all := map[string]string{}
	for _, r := range p.replicas {
		all[r.name] = r.http.Address()
	}
	return all
}
