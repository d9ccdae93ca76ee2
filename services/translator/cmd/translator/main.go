// Command translator is the translator's binary, silverback-translator.
package main

import (
	"context"
	"os"
	"slices"

	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/translator"
)

type settings struct {
	server   rpcserver.Config
	http     telemetry.HTTPConfig
	etcd     etcdkv.Config
	registry rpc.ClientConfig
	log      telemetry.LogConfig
	service  translator.Config
}

func load(args []string) (settings, error) {
	var s settings
	set := conf.New("silverback-translator", "Turns submitted configurations into immutable, validated snapshots.")
	s.server.AddFlags(set.Flags, "127.0.0.1:7441")
	s.server.Large = translator.Large
	s.http.AddFlags(set.Flags, "127.0.0.1:7451", "/metrics, /healthz and /readyz")
	s.etcd.AddFlags(set.Flags)
	set.Flags.StringSliceVar(&s.registry.Addresses, "registry", []string{"127.0.0.1:7440"}, "addresses of the registry's replicas")
	s.registry.TLS.AddFlags(set.Flags)
	set.Flags.StringVar(&s.service.SchemaCheck, "schema-check", "refuse",
		"what becomes of what the schemas of a group's gateways refuse: refuse, warn or off")
	s.log.AddFlags(set.Flags)
	set.Check(s.server.Check)
	set.Check(s.log.Check)
	set.Check(func() error { return s.service.Check() }) // a method value would keep the settings of now
	set.Check(s.http.Check)
	set.Check(s.etcd.Check)
	set.Check(func() error { return s.etcd.CheckApart(s.server.ClientCAFile) })
	set.Check(s.registry.TLS.Check)
	set.Check(func() error { return s.registry.Check("registry") })
	err := set.Load(args, os.LookupEnv, os.Stdout)
	return s, err
}

func main() { run.Main(conf.Program(load, serve)) }

func serve(ctx context.Context, s settings) error {
	log, err := telemetry.NewLogger(os.Stderr, s.log)
	if err != nil {
		return err
	}
	flush, err := telemetry.StartTracing(ctx, "silverback-translator")
	if err != nil {
		return err
	}
	defer func() { _ = flush(context.WithoutCancel(ctx)) }()
	metrics := telemetry.NewMetrics()
	metrics.MustRegister(tlsfiles.Expiry(slices.Concat(s.server.TLSFiles(), s.http.TLSFiles(), s.etcd.TLSFiles(),
		s.registry.TLS.TLSFiles())...))
	s.etcd.Metrics = etcdkv.NewMetrics(metrics)
	etcd, err := etcdkv.Dial(s.etcd)
	if err != nil {
		return err
	}
	defer func() { _ = etcd.Close() }()
	registry, err := rpc.Dial(s.registry)
	if err != nil {
		return err
	}
	defer func() { _ = registry.Close() }()

	service := translator.New(s.service, translator.Deps{Etcd: etcd, Registry: registryv1.NewRegistryServiceClient(registry), Log: log,
		Metrics: metrics})
	server, err := rpcserver.New(s.server, rpcserver.Deps{Log: log, Metrics: metrics, Revoked: service.Revoked()})
	if err != nil {
		return err
	}
	service.Register(server)
	server.OnDrain(service.Drain)
	http, err := telemetry.Listen(s.http, metrics, nil, service.Ready)
	if err != nil {
		return err
	}
	http.Warning = service.Warning
	return run.All(ctx, server.Serve, service.Run, http.Serve)
}
