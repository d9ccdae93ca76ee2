// Command distributor is the distributor's binary, silverback-distributor.
package main

import (
	"context"
	"os"
	"slices"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/services/distributor"
)

type settings struct {
	distributor distributor.Config
	server      rpcserver.Config
	http        telemetry.HTTPConfig
	etcd        etcdkv.Config
	registry    rpc.ClientConfig
	translator  rpc.ClientConfig
	tls         rpc.ClientTLS
	log         telemetry.LogConfig
}

func load(args []string) (settings, error) {
	var s settings
	set := conf.New("silverback-distributor", "Moves gateways to new revisions in waves, and proves that they arrive.")
	s.server.AddFlags(set.Flags, "127.0.0.1:7442")
	s.http.AddFlags(set.Flags, "127.0.0.1:7452", "/metrics, /healthz and /readyz")
	s.etcd.AddFlags(set.Flags)
	set.Flags.StringSliceVar(&s.registry.Addresses, "registry", []string{"127.0.0.1:7440"}, "addresses of the registry's replicas")
	set.Flags.StringSliceVar(&s.translator.Addresses, "translator", []string{"127.0.0.1:7441"}, "addresses of the translator's replicas")
	s.tls.AddFlags(set.Flags)
	s.distributor.AddFlags(set.Flags)
	s.log.AddFlags(set.Flags)
	set.Check(s.server.Check)
	set.Check(s.log.Check)
	set.Check(s.http.Check)
	set.Check(s.etcd.Check)
	set.Check(func() error { return s.etcd.CheckApart(s.server.ClientCAFile) })
	set.Check(s.tls.Check)
	set.Check(s.distributor.Check)
	set.Check(func() error { return s.registry.Check("registry") })
	set.Check(func() error { return s.translator.Check("translator") })
	err := set.Load(args, os.LookupEnv, os.Stdout)
	s.registry.TLS, s.translator.TLS = s.tls, s.tls
	s.server.Codec, s.server.ReadBuffer = distributor.Codec(), distributor.ReadBuffer
	return s, err
}

func main() { run.Main(conf.Program(load, serve)) }

func serve(ctx context.Context, s settings) error {
	log, err := telemetry.NewLogger(os.Stderr, s.log)
	if err != nil {
		return err
	}
	flush, err := telemetry.StartTracing(ctx, "silverback-distributor")
	if err != nil {
		return err
	}
	defer func() { _ = flush(context.WithoutCancel(ctx)) }()
	metrics := telemetry.NewMetrics()
	metrics.MustRegister(tlsfiles.Expiry(slices.Concat(s.server.TLSFiles(), s.http.TLSFiles(), s.etcd.TLSFiles(), s.tls.TLSFiles())...))
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
	translator, err := rpc.Dial(s.translator)
	if err != nil {
		return err
	}
	defer func() { _ = translator.Close() }()

	service, err := distributor.New(s.distributor, distributor.Deps{
		Etcd: etcd, Registry: registryv1.NewRegistryServiceClient(registry), Translator: translatorv1.NewTranslatorServiceClient(translator),
		Log: log, Metrics: metrics,
	})
	if err != nil {
		return err
	}
	server, err := rpcserver.New(s.server, rpcserver.Deps{Log: log, Metrics: metrics, Revoked: service.Revoked()})
	if err != nil {
		return err
	}
	service.Register(server)
	http, err := telemetry.Listen(s.http, metrics, nil, service.Ready)
	if err != nil {
		return err
	}
	http.Warning = service.Warning
	return run.All(ctx, server.Serve, service.Run, http.Serve)
}
