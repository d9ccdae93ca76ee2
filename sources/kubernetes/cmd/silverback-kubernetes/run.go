package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/sources/kubernetes/controller"
)

// settings are those of the controller.
type settings struct {
	controller controller.Config
	http       telemetry.HTTPConfig
	log        telemetry.LogConfig
}

func load(args []string, lookupEnv func(string) (string, bool), out io.Writer) (settings, error) {
	var s settings
	set := conf.New("silverback-kubernetes run", "Watches a Kubernetes cluster and submits what its objects mean to Kong.")
	s.controller.AddFlags(set.Flags)
	s.http.AddFlags(set.Flags, "127.0.0.1:7461", "/metrics, /healthz and /readyz")
	s.log.AddFlags(set.Flags)
	set.Check(func() error { return s.controller.Check() })
	set.Check(s.http.Check)
	set.Check(s.log.Check)
	err := set.Load(args, lookupEnv, out)
	return s, err
}

// control runs the controller and exits.
func control(args []string) {
	run.Main(func(ctx context.Context) error {
		s, err := load(args, os.LookupEnv, os.Stdout)
		if errors.Is(err, conf.ErrDone) {
			return nil
		}
		if err != nil {
			return err
		}
		return serve(ctx, s)
	})
}

func serve(ctx context.Context, s settings) error {
	log, err := telemetry.NewLogger(os.Stderr, s.log)
	if err != nil {
		return err
	}
	flush, err := telemetry.StartTracing(ctx, "silverback-kubernetes")
	if err != nil {
		return err
	}
	defer func() { _ = flush(context.WithoutCancel(ctx)) }()
	metrics := telemetry.NewMetrics()
	metrics.MustRegister(tlsfiles.Expiry(append(s.http.TLSFiles(), s.controller.TLS.TLSFiles()...)...))
	c, err := controller.New(s.controller, controller.Deps{Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	http, err := telemetry.Listen(s.http, metrics, nil, c.Ready)
	if err != nil {
		return err
	}
	http.Warning = c.Warning
	return run.All(ctx, c.Run, http.Serve)
}
