package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/sources/kubernetes/controller"
	"github.com/silverback-gateway/silverback/sources/kubernetes/webhook"
)

// ofController are the flags of the controller that the webhook does not have: it submits nothing.
var ofController = []string{
	"registry", "distributor", "allow-shrink", "debounce", "debounce-max", "endpoint-window", "drain-endpoints", "write-status",
	"publish-service", "publish-address", "leader-election", "leader-election-namespace", "leader-election-name",
}

// webhookSettings are those of the webhook.
type webhookSettings struct {
	controller controller.Config
	webhook    webhook.Config
	server     webhook.ServerConfig
	http       telemetry.HTTPConfig
	log        telemetry.LogConfig
}

func loadWebhook(args []string, lookupEnv func(string) (string, bool), out io.Writer) (webhookSettings, error) {
	var s webhookSettings
	set := conf.New("silverback-kubernetes webhook", "Reviews objects of a Kubernetes cluster before they are stored.")
	s.server.AddFlags(set.Flags)
	s.webhook.AddFlags(set.Flags)
	shared := pflag.NewFlagSet("run", pflag.ContinueOnError)
	s.controller.AddFlags(shared)
	shared.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(ofController, f.Name) {
			set.Flags.AddFlag(f)
		}
	})
	s.http.AddFlags(set.Flags, "127.0.0.1:7463", "/metrics, /healthz and /readyz")
	s.log.AddFlags(set.Flags)
	set.Check(func() error { return s.controller.Check() })
	set.Check(func() error { return s.webhook.Check() })
	set.Check(func() error { return s.server.Check() })
	set.Check(s.http.Check)
	set.Check(s.log.Check)
	err := set.Load(args, lookupEnv, out)
	return s, err
}

// admit runs the webhook and exits.
func admit(args []string) {
	run.Main(func(ctx context.Context) error {
		s, err := loadWebhook(args, os.LookupEnv, os.Stdout)
		if errors.Is(err, conf.ErrDone) {
			return nil
		}
		if err != nil {
			return err
		}
		return serveWebhook(ctx, s)
	})
}

func serveWebhook(ctx context.Context, s webhookSettings) error {
	log, err := telemetry.NewLogger(os.Stderr, s.log)
	if err != nil {
		return err
	}
	metrics := telemetry.NewMetrics()
	metrics.MustRegister(tlsfiles.Expiry(slices.Concat(s.http.TLSFiles(), s.server.TLSFiles(), s.controller.TLS.TLSFiles())...))
	cluster, err := controller.NewObserver(s.controller, controller.Deps{Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	services, err := client.Dial(client.Config{Translator: s.controller.Translator, TLS: client.TLS(s.controller.TLS)})
	if err != nil {
		return err
	}
	defer services.Close()
	s.webhook.Options, s.webhook.Group, s.webhook.Source = s.controller.Options, s.controller.Group, s.controller.Source
	reviewer := webhook.New(s.webhook, webhook.Deps{Objects: cluster, Validator: services.Translator(), Log: log, Metrics: metrics})
	server, err := webhook.Listen(s.server, reviewer, log)
	if err != nil {
		return err
	}
	http, err := telemetry.Listen(s.http, metrics, nil, cluster.Ready)
	if err != nil {
		return err
	}
	log.Info("objects are reviewed", "address", server.Address(), telemetry.Group, s.webhook.Group, telemetry.Source, s.webhook.Source,
		"fail", string(s.webhook.Fail))
	return run.All(ctx, server.Serve, cluster.Run, http.Serve)
}
