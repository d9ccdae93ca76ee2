// Command registry is the service that tracks the groups of a fleet and their nodes.
package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/services/registry"
)

func main() { run.Main(program) }

func program(ctx context.Context) error {
	var (
		service    registry.Config
		server     rpcserver.Config
		logs       telemetry.LogConfig
		etcdConfig etcdkv.Config
		httpConfig telemetry.HTTPConfig
	)
	set := conf.New("silverback-registry", "Tracks the groups of a fleet and their nodes.")
	server.AddFlags(set.Flags, "127.0.0.1:7440")
	httpConfig.AddFlags(set.Flags, "127.0.0.1:7450", "/metrics, /healthz and /readyz")
	etcdConfig.AddFlags(set.Flags)
	set.Flags.StringVar(&service.Replica, "replica-id", "", "unique among replicas; empty is made from host and process")
	set.Flags.DurationVar(&service.SessionTTL, "session-ttl", 15*time.Second, "a node without a renewal for so long is unreachable")
	set.Flags.DurationVar(&service.RenewInterval, "renew-interval", 5*time.Second, "how often agents renew")
	set.Flags.StringVar(&service.DefaultGroup, "default-group", "default", "group that is created when absent; empty is none")
	set.Flags.DurationVar(&service.ForgetGoneAfter, "forget-gone-after", 24*time.Hour, "when a node that said goodbye is forgotten")
	set.Flags.DurationVar(&service.ForgetUnreachableAfter, "forget-unreachable-after", 7*24*time.Hour,
		"when a node is forgotten that went without a goodbye, unless it is drained or in quarantine; 0: never")
	service.Backup.AddFlags(set.Flags)
	logs.AddFlags(set.Flags)
	set.Check(server.Check)
	set.Check(func() error { return service.Check() }) // a method value would keep the settings of now
	set.Check(logs.Check)
	set.Check(httpConfig.Check)
	set.Check(etcdConfig.Check)
	set.Check(func() error { return etcdConfig.CheckApart(server.ClientCAFile) })
	if err := set.Load(os.Args[1:], os.LookupEnv, os.Stdout); err != nil {
		if errors.Is(err, conf.ErrDone) {
			return nil
		}
		return err
	}

	log, err := telemetry.NewLogger(os.Stderr, logs)
	if err != nil {
		return err
	}
	flush, err := telemetry.StartTracing(ctx, "silverback-registry")
	if err != nil {
		return err
	}
	defer func() { _ = flush(context.WithoutCancel(ctx)) }()
	metrics := telemetry.NewMetrics()
	metrics.MustRegister(tlsfiles.Expiry(slices.Concat(server.TLSFiles(), httpConfig.TLSFiles(), etcdConfig.TLSFiles())...))

	etcdConfig.Metrics = etcdkv.NewMetrics(metrics)
	etcd, err := etcdkv.Dial(etcdConfig)
	if err != nil {
		return err
	}
	defer func() { _ = etcd.Close() }()

	svc, err := registry.New(service, registry.Deps{Etcd: etcd, Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	grpcServer, err := rpcserver.New(server, rpcserver.Deps{Log: log, Metrics: metrics, Revoked: svc.Revoked()})
	if err != nil {
		return err
	}
	svc.Register(grpcServer)
	grpcServer.OnDrain(svc.Drain)
	http, err := telemetry.Listen(httpConfig, metrics, nil, svc.Ready)
	if err != nil {
		return err
	}
	http.Warning = svc.Warning
	return run.All(ctx, grpcServer.Serve, http.Serve, svc.Run)
}
