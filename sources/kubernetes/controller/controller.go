package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
)

// signature names the controller in what it writes into the cluster.
const signature = "silverback-gateway/kubernetes"

// The times of the Lease, as other controllers have them.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// Controller watches a cluster and submits what its objects mean.
type Controller struct {
	manager manager.Manager
	watcher *watcher
	client  *client.Client
	metrics *metrics
	sources *sources
}

// Deps are what the controller needs besides its settings.
type Deps struct {
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// REST says how to reach the API server in place of the settings; nil for the settings.
	REST *rest.Config
}

// New returns a controller. It asks neither the API server nor a service.
func New(c Config, d Deps) (*Controller, error) {
	kubernetes, cached, logger, err := c.reading(d)
	if err != nil {
		return nil, err
	}
	options := manager.Options{
		Scheme: cached.Scheme, Logger: logger, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		LeaderElection: c.LeaderElection, LeaderElectionID: c.LeaderElectionName, LeaderElectionNamespace: c.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true, LeaseDuration: new(leaseDuration), RenewDeadline: new(renewDeadline),
		RetryPeriod: new(retryPeriod),
		NewCache: func(config *rest.Config, options cache.Options) (cache.Cache, error) {
			cached.HTTPClient, cached.Mapper = options.HTTPClient, knowing(options.Mapper)
			return cache.New(config, cached)
		},
	}
	m, err := manager.New(kubernetes, options)
	if err != nil {
		return nil, fmt.Errorf("set up the watch of the cluster: %w", err)
	}
	discover, err := discovery.NewDiscoveryClientForConfigAndClient(kubernetes, m.GetHTTPClient())
	if err != nil {
		return nil, err
	}
	services, err := client.Dial(c.services())
	if err != nil {
		services.Close()
		return nil, err
	}
	made := &Controller{manager: m, client: services, metrics: newMetrics(d.Metrics),
		watcher: newWatcher(m.GetCache(), discover, d.Log)}
	var sink sink
	if c.WriteStatus {
		written, err := c.statuses(kubernetes, m.GetHTTPClient(), d.Log)
		if err != nil {
			services.Close()
			return nil, err
		}
		written.versions = made.watcher.Versions
		sink = written
		if err := m.Add(leading(written.Run)); err != nil {
			services.Close()
			return nil, err
		}
	}
	made.sources = newSources(c, d.Log, made.metrics, &remote{Client: services, group: c.Group, source: c.Source}, made.watcher, sink)
	return made, errors.Join(m.Add(always(made.watcher.Run)), m.Add(leading(func(ctx context.Context) error {
		d.Log.Info("this replica submits", telemetry.Group, c.Group, telemetry.Source, c.Source)
		made.metrics.leading(true)
		defer made.metrics.leading(false)
		return made.sources.Run(ctx)
	})))
}

// reading is how the cluster is read: where it is, what is kept of it, and where the libraries of Kubernetes log to.
func (c *Config) reading(d Deps) (kubernetes *rest.Config, cached cache.Options, log logr.Logger, err error) {
	if kubernetes = d.REST; kubernetes == nil {
		if kubernetes, err = c.rest(); err != nil {
			return nil, cached, log, err
		}
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, cached, log, err
	}
	log = logr.FromSlogHandler(quiet{d.Log.Handler()})
	ctrllog.SetLogger(log) // of the whole process; it is set once
	cached, err = c.cacheOptions(scheme)
	return kubernetes, cached, log, err
}

// statuses writes into the cluster.
func (c *Config) statuses(kubernetes *rest.Config, http *http.Client, log *slog.Logger) (*statuses, error) {
	dynamics, err := dynamic.NewForConfigAndClient(kubernetes, http)
	if err != nil {
		return nil, err
	}
	instance, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	publish, err := c.publishRefs()
	if err != nil {
		return nil, err
	}
	return newStatuses(status.NewWriter(dynamics, status.WriterOptions{Controller: signature, Instance: instance}), status.Options{
		Translate: c.Options, Source: c.Group + "/" + c.Source, Publish: publish, Addresses: c.PublishAddresses,
	}, log), nil
}

// Run runs until ctx ends, or the Lease is lost: then nothing is submitted any more, and the process has to begin anew.
func (c *Controller) Run(ctx context.Context) error {
	defer c.client.Close()
	if err := c.manager.Start(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// Ready says whether the objects are known: a replica that does not lead is ready to.
func (c *Controller) Ready() error { return c.watcher.Ready() }

// Warning says what keeps the present objects from being served, for who asks whether the process is ready. Empty is nothing.
func (c *Controller) Warning() string { return c.sources.warning() }

// rest says how to reach the API server: by a kubeconfig, or as a pod.
func (c *Config) rest() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: c.Context}).
		ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("how to reach the API server: %w", err)
	}
	config.UserAgent = "silverback-kubernetes"
	config.QPS, config.Burst = requestRate, requestBurst
	return config, nil
}

// What the controller asks of the API server in a second at most: statuses, for it watches everything else.
const (
	requestRate  = 50
	requestBurst = 100
)

// always runs on every replica, leading only on the one that holds the Lease.
type (
	always  func(context.Context) error
	leading func(context.Context) error
)

// Start implements manager.Runnable.
func (f always) Start(ctx context.Context) error { return ended(ctx, f(ctx)) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (f always) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (f leading) Start(ctx context.Context) error { return ended(ctx, f(ctx)) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (f leading) NeedLeaderElection() bool { return true }

// ended is nil for a loop that ended as asked.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the manager takes an error for a failure
	}
	return err
}

// quiet drops what the libraries of Kubernetes say of their own work.
type quiet struct{ slog.Handler }

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
