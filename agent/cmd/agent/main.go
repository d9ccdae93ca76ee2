// Command silverback-agent runs beside one Kong gateway.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/kit/build"
	"github.com/silverback-gateway/silverback/kit/conf"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

func main() { run.Main(program) }

func program(ctx context.Context) error {
	var c agent.Config
	var logs telemetry.LogConfig
	set := conf.New("silverback-agent", "Runs beside one Kong gateway: loads what its group decided and proves that Kong serves it.")
	f := set.Flags
	f.StringVar(&c.Group, "group", "", "group that the node belongs to")
	f.StringVar(&c.Node, "node", "", "name of the node, unique in its group (default: the host's name)")
	f.StringToStringVar(&c.Labels, "label", nil, "label of the node, such as zone=a; may be given several times")
	f.StringSliceVar(&c.Registry, "registry", []string{"127.0.0.1:7440"}, "addresses of the registry's replicas, host:port")
	f.StringSliceVar(&c.Distributor, "distributor", []string{"127.0.0.1:7442"}, "addresses of the distributor's replicas, host:port")
	c.TLS.AddFlags(f)
	f.StringVar(&c.KongAdmin, "kong-admin", "http://127.0.0.1:8001", "Kong's Admin API: http://host:port, https://host:port or "+
		"unix:///path/to.sock")
	f.StringVar(&c.KongProxy, "kong-proxy", "http://127.0.0.1:8000", "Kong's proxy, likewise; over loopback or a socket")
	f.StringVar(&c.KongStatus, "kong-status", "http://127.0.0.1:8007", "Kong's Status API, likewise; empty when it has none, then its "+
		"readiness is not known")
	f.StringVar(&c.KongTLS.CA, "kong-admin-ca", "", "file with the authorities of the certificates of the Admin and the Status API "+
		"(default: the system's)")
	f.StringVar(&c.KongTLS.Cert, "kong-admin-cert", "", "file with the agent's certificate for the Admin and the Status API")
	f.StringVar(&c.KongTLS.Key, "kong-admin-key", "", "file with that certificate's key")
	f.StringVar(&c.KongTLS.ServerName, "kong-admin-server-name", "", "name that the certificates of the Admin and the Status API must be "+
		"for (default: the host of the URL)")
	f.StringVar(&c.KongTokenFile, "kong-token-file", "", "file with the token for the Admin API")
	f.StringVar(&c.StateDir, "state-dir", "/var/lib/silverback-agent", "directory for the last known good configuration")
	f.StringVar(&c.BootFile, "boot-file", "", "file that Kong's declarative_config names, kept at the last known good; empty: none is written")
	f.StringVar(&c.Proof, "proof", "auto", "what an ack rests on: worker, route or hash; auto is the best that the gateway allows")
	c.HTTP.AddFlags(f, "127.0.0.1:7453", "/metrics, /healthz, /readyz, /status and /gateway/metrics; empty: nowhere")
	f.StringVar(&c.ProxyAddress, "proxy-address", "", "where the gateway's proxy is reached from outside, for people and exports (default: "+
		"host and port of --kong-proxy)")
	f.DurationVar(&c.DriftInterval, "drift-interval", agent.DefaultDriftInterval, "how often the gateway is looked at")
	f.DurationVar(&c.LoadTimeout, "load-timeout", agent.DefaultLoadTimeout, "how long one load may take")
	f.DurationVar(&c.LoadGap, "load-gap", agent.DefaultLoadGap, "how long after a load the next one may begin; with less than 0.3s a worker "+
		"of Kong can stay on old routes")
	f.DurationVar(&c.ProofTimeout, "proof-timeout", agent.DefaultProofTimeout, "how long one proof may take")
	f.Int64Var(&c.GatewayMemory, "gateway-memory-bytes", 0, "how many bytes of memory the gateway may take; submissions warn when a load "+
		"will need more; 0: all of this machine")
	f.DurationVar(&c.DrainGrace, "drain-grace", 0, "for how long an agent that is asked to stop first says that it is draining, so that "+
		"load balancers stop sending; 0: not at all")
	logs.AddFlags(f)
	set.Check(logs.Check)
	set.Check(func() error { return c.Check() })
	set.Check(func() error {
		// In a Config zero means the default. As a flag it would mean never, so it is refused.
		var problems []error
		for _, name := range []string{"drift-interval", "load-timeout", "load-gap", "proof-timeout"} {
			if d, err := f.GetDuration(name); err == nil && d == 0 {
				problems = append(problems, fmt.Errorf("%s must be more than 0", set.From(name)))
			}
		}
		return errors.Join(problems...)
	})
	if err := set.Load(os.Args[1:], os.LookupEnv, os.Stdout); errors.Is(err, conf.ErrDone) {
		return nil
	} else if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(os.Stderr, logs)
	if err != nil {
		return err
	}
	flush, err := telemetry.StartTracing(ctx, "silverback-agent")
	if err != nil {
		return err
	}
	defer func() { _ = flush(context.WithoutCancel(ctx)) }()
	if _, set := os.LookupEnv("GOGC"); !set {
		// Loads are rare and hold several copies of a configuration. Memory matters more than the time of collections.
		debug.SetGCPercent(40)
	}
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(16 << 20) // soft: a larger configuration takes more, and time
	}
	c.Version = build.Version()
	metrics := telemetry.NewMetrics()
	metrics.MustRegister(tlsfiles.Expiry(slices.Concat(c.TLS.TLSFiles(), c.HTTP.TLSFiles(), []string{c.KongTLS.CA, c.KongTLS.Cert})...))
	a, err := agent.New(c, agent.Deps{Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}
