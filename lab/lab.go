// Package lab runs a whole fleet in one process: etcd, every service in several replicas, and gateways with an agent each,
// talking over real loopback connections, from the same constructors as the binaries. It is for trying things, and for
// tests; nothing in it is a copy of a service.
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
	"github.com/silverback-gateway/silverback/lab/internal/echo"
	"github.com/silverback-gateway/silverback/lab/internal/ledger"
	"github.com/silverback-gateway/silverback/lab/internal/plane"
	"github.com/silverback-gateway/silverback/lab/internal/troop"
)

// Group is the group that the lab's gateways belong to.
const Group = "default"

// Config says what the lab runs. The zero value is three simulated gateways on the ports of the design.
type Config struct {
	Gateways  int    // simulated gateways; 0 is 3, ignored when Real has some
	Workers   int    // of each simulated gateway; 0 is 2
	Schemas   string // folder with the schemas that simulated gateways show and judge by, as recorded; empty: they show none
	Real      []Kong // gateways that run already
	Dir       string // for etcd and the agents; required
	FreePorts bool   // take free ports instead of the usual ones, so that several labs fit on one machine
	Document  []byte // the configuration to apply at the start; empty applies none
	Name      string // what errors call it
	Log       *slog.Logger
}

// Kong is a gateway that runs already.
type Kong struct {
	Admin, Proxy, Status string // URLs
}

// A Lab is a running fleet.
type Lab struct {
	config Config
	etcd   *ledger.Etcd
	plane  *plane.Plane
	troop  *troop.Troop
	echo   *echo.Server
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
		return nil, errors.New("a folder is needed")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder: %w", err)
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
	if l.plane, err = plane.New(plane.Config{Etcd: l.etcd.Endpoint(), Group: Group, FreePorts: c.FreePorts, Log: c.Log}); err != nil {
		return nil, err
	}
	specs := make([]troop.Kong, 0, len(c.Real))
	for _, k := range c.Real {
		specs = append(specs, troop.Kong(k))
	}
	l.troop, err = troop.New(troop.Config{
		Group: Group, Simulated: c.Gateways, Workers: c.Workers, Schemas: c.Schemas, Real: specs, Dir: c.Dir, FreePorts: c.FreePorts,
		Registry: l.plane.Registry(), Distributor: l.plane.Distributor(), Log: c.Log,
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
	// The services outlive the agents, so that these can say goodbye.
	planeCtx, stopPlane := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopPlane(nil)
	planeDone := make(chan error, 1)
	go func() { planeDone <- l.plane.Run(planeCtx) }()
	err := run.All(ctx, l.troop.Run, l.echo.Serve, func(ctx context.Context) error {
		select {
		case err := <-planeDone:
			planeDone <- err
			return fmt.Errorf("the services stopped: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	stopPlane(context.Cause(ctx))
	// The services were asked to stop; what they say of it is that they were.
	select {
	case end := <-planeDone:
		if !errors.Is(end, context.Cause(planeCtx)) {
			err = errors.Join(err, end)
		}
	case <-time.After(20 * time.Second):
		err = errors.Join(err, errors.New("the services did not stop in time"))
	}
	return err
}

// Close frees what New took. It may be called again.
func (l *Lab) Close() {
	if l.troop != nil {
		l.troop.Close()
	}
	if l.plane != nil {
		l.plane.Close()
	}
	if l.etcd != nil {
		l.etcd.Close()
	}
	if l.echo != nil {
		l.echo.Close()
	}
}

// Registry returns the addresses of the registry's replicas.
func (l *Lab) Registry() []string { return l.plane.Registry() }

// Translator returns the addresses of the translator's replicas.
func (l *Lab) Translator() []string { return l.plane.Translator() }

// Distributor returns the addresses of the distributor's replicas.
func (l *Lab) Distributor() []string { return l.plane.Distributor() }

// Metrics returns the addresses of the services' HTTP listeners, by a name such as registry-1.
func (l *Lab) Metrics() map[string]string { return l.plane.Metrics() }

// Gateways returns the gateways and their agents.
func (l *Lab) Gateways() []troop.Member { return l.troop.Members() }

// Echo is the address of the upstream that the example routes to.
func (l *Lab) Echo() string { return l.echo.Address() }
