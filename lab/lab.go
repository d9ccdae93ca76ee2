// Package lab runs a whole fleet in one process: etcd, every service in several replicas, and gateways with an agent each. They talk over
// real loopback connections and come from the same constructors as the binaries. The lab is for evaluation and for tests.
package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/lab/internal/controlplane"
	"github.com/silverback-gateway/silverback/lab/internal/echo"
	"github.com/silverback-gateway/silverback/lab/internal/ledger"
	"github.com/silverback-gateway/silverback/lab/internal/nodes"
)

// Group is the group that the lab's gateways belong to.
const Group = "default"

// Config configures the lab. The zero value is three simulated gateways on the default ports.
type Config struct {
	Gateways  int    // simulated gateways; 0 is 3, ignored when Real has some
	Workers   int    // of each simulated gateway; 0 is 2
	Schemas   string // folder with recorded schemas that simulated gateways serve and validate by; empty means none
	Real      []Kong // gateways that run already
	Dir       string // for etcd and the agents; required
	FreePorts bool   // use free ports instead of the default ones, so that several labs fit on one machine
	Document  []byte // the configuration to apply at the start; empty applies none
	Name      string // the document's name in errors
	// CollectInterval is how often old revisions and unreferenced content are collected. KeepRevisions is how many revisions of a group are
	// kept at least. 0 means the distributor's default.
	CollectInterval time.Duration
	KeepRevisions   int
	Log             *slog.Logger
}

// Kong is a gateway that runs already.
type Kong struct {
	Admin, Proxy, Status string // URLs
}

// A Lab is a running fleet.
type Lab struct {
	config       Config
	etcd         *ledger.Etcd
	controlPlane *controlplane.ControlPlane
	nodes        *nodes.Nodes
	echo         *echo.Server
}

// New starts the parts in their order. A lab that is not Run must be closed.
func New(ctx context.Context, c Config) (_ *Lab, err error) {
	if c.Gateways == 0 {
		c.Gateways = 3
	}
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dir == "" {
		return nil, errors.New("Config.Dir is required")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the folder: %w", err)
	}
	l := &Lab{config: c}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if l.echo, err = echo.Listen(port(c, 7480)); err != nil {
		return nil, err
	}
	if l.etcd, err = ledger.Start(ctx, filepath.Join(c.Dir, "etcd"), port(c, 7479)); err != nil {
		return nil, err
	}
	if l.controlPlane, err = controlplane.New(controlplane.Config{Etcd: l.etcd.Endpoint(), Group: Group, FreePorts: c.FreePorts,
		Log: c.Log, CollectInterval: c.CollectInterval, KeepRevisions: c.KeepRevisions}); err != nil {
		return nil, err
	}
	specs := make([]nodes.Kong, 0, len(c.Real))
	for _, k := range c.Real {
		specs = append(specs, nodes.Kong(k))
	}
	l.nodes, err = nodes.New(nodes.Config{
		Group: Group, Simulated: c.Gateways, Workers: c.Workers, Schemas: c.Schemas, Real: specs, Dir: c.Dir, FreePorts: c.FreePorts,
		Registry: l.controlPlane.Registry(), Distributor: l.controlPlane.Distributor(), Log: c.Log,
	})
	return l, err
}

func port(c Config, usual int) string {
	if c.FreePorts {
		return "127.0.0.1:0"
	}
	return fmt.Sprintf("127.0.0.1:%d", usual)
}

// Run runs the fleet until ctx ends, then stops it in order: agents, gateways, services, etcd.
func (l *Lab) Run(ctx context.Context) error {
	defer l.Close()
	// The services outlive the agents, so that agents can leave the registry.
	servicesCtx, stopServices := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopServices(nil)
	servicesDone := make(chan error, 1)
	go func() { servicesDone <- l.controlPlane.Run(servicesCtx) }()
	err := run.All(ctx, l.nodes.Run, l.echo.Serve, func(ctx context.Context) error {
		select {
		case err := <-servicesDone:
			servicesDone <- err
			return fmt.Errorf("the services stopped: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	stopServices(context.Cause(ctx))
	// The services were asked to stop, and their error reports just that.
	select {
	case end := <-servicesDone:
		if !errors.Is(end, context.Cause(servicesCtx)) {
			err = errors.Join(err, end)
		}
	case <-time.After(20 * time.Second):
		err = errors.Join(err, errors.New("the services did not stop within the timeout"))
	}
	return err
}

// Close frees what New allocated. It may be called again.
func (l *Lab) Close() {
	if l.nodes != nil {
		l.nodes.Close()
	}
	if l.controlPlane != nil {
		l.controlPlane.Close()
	}
	if l.etcd != nil {
		l.etcd.Close()
	}
	if l.echo != nil {
		l.echo.Close()
	}
}

// Registry returns the addresses of the registry's replicas.
func (l *Lab) Registry() []string { return l.controlPlane.Registry() }

// Translator returns the addresses of the translator's replicas.
func (l *Lab) Translator() []string { return l.controlPlane.Translator() }

// Distributor returns the addresses of the distributor's replicas.
func (l *Lab) Distributor() []string { return l.controlPlane.Distributor() }

// Metrics returns the addresses of the services' HTTP listeners, by a name such as registry-1.
func (l *Lab) Metrics() map[string]string { return l.controlPlane.Metrics() }

// Gateways returns the gateways and their agents.
func (l *Lab) Gateways() []nodes.Member { return l.nodes.Members() }

// Echo returns the address of the upstream that the example routes to.
func (l *Lab) Echo() string { return l.echo.Address() }
