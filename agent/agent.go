// Package agent runs beside one Kong gateway. It loads the configuration that the node's group decided, proves that Kong serves it,
// and keeps the last known good on disk, so that the gateway survives the loss of everything else. It never leaves a gateway empty,
// and never decides what a group runs.
package agent

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
	"github.com/silverback-gateway/silverback/agent/internal/bundle"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/health"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/targets"
	"github.com/silverback-gateway/silverback/agent/internal/upstream"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/build"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// Deps are what an agent uses. Every field is optional.
type Deps struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry // one per agent, because the names are the same
	// DialRegistry and DialDistributor replace the addresses of the Config. The agent closes the connections, and dials the
	// distributor again for each stream.
	DialRegistry    func() (*grpc.ClientConn, error)
	DialDistributor func() (*grpc.ClientConn, error)

	decided func(before apply.State, at apply.Moment, event apply.Event, after apply.State) // see apply.Deps; set by tests
}

// View is the status of an agent at one moment.
type View = status.View

// Condition is a problem of a node that an operator should know of.
type Condition = status.Condition

// Event is something that happened on a node.
type Event = status.Event

// Agent is one agent. It shares nothing with others in the same process.
type Agent struct {
	log     *slog.Logger
	gateway *gateway.Gateway
	store   *lastgood.Store
	status  *status.Tracker
	drains  *upstream.Drains
	grace   time.Duration
	http    *telemetry.HTTP // nil without a listener
	loops   []run.Loop
}

// New takes the state directory, reads what it holds, and opens the HTTP listener. It contacts neither the gateway nor the
// control plane. An agent that is never Run must be closed.
func New(c Config, d Deps) (*Agent, error) {
	c, d, err := complete(c, d)
	if err != nil {
		return nil, err
	}
	log := d.Log.With(telemetry.Group, c.Group, telemetry.Node, c.Node)
	form, err := c.form()
	if err != nil {
		return nil, err
	}
	tracker := status.New(View{Group: c.Group, Node: c.Node, BootID: rand.Text(), Phase: "waiting"})
	meters, err := newMetrics(d.Metrics, tracker.View)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	kong, err := gateway.New(gateway.Options{
		Admin: c.KongAdmin, Proxy: c.KongProxy, Status: c.KongStatus, TLS: c.KongTLS, TokenFile: c.KongTokenFile,
		LoadTimeout: c.LoadTimeout, ProofTimeout: c.ProofTimeout, LoadGap: c.LoadGap, Log: log,
	})
	if err != nil {
		return nil, err
	}
	store, err := lastgood.Open(c.StateDir)
	if err != nil {
		return nil, err
	}
	reached := failpoint()
	if reached != nil {
		store.SetFailpoint(func(step string) { reached("store-" + step) })
	}
	identity := upstream.Identity{
		Group: fleet.GroupID(c.Group), Node: fleet.NodeID(c.Node), BootID: tracker.View().BootID, Version: c.Version,
		Labels: c.Labels, ProxyAddress: c.ProxyAddress,
	}
	if identity.Succeeds, err = store.SwapBootID(identity.BootID); err != nil {
		log.Warn("boot id not written: the next run of this agent must wait until the session of this one expires", telemetry.Err, err)
	}
	listener, err := listen(c.HTTP, d.Metrics, &endpoints{log: log, gateway: kong, status: tracker, turn: make(chan struct{}, 1)})
	if err != nil {
		_ = store.Close()
		return nil, err
	}
	if listener != nil {
		identity.HTTPAddress = listener.Address()
	}
	order, damage := store.RecallOrder()
	drains := upstream.NewDrains(tracker, store, order, damage)
	remembered, damage := store.RecallTargets()
	keeper := targets.New(targets.Deps{Gateway: kong, Memory: store, Status: tracker, Log: log}, remembered, damage)
	mailbox, outbox := apply.NewMailbox(), upstream.NewOutbox()
	applier := apply.New(apply.Deps{
		Gateway: kong, Store: store, Boot: lastgood.BootFile(c.BootFile), Mailbox: mailbox, Status: tracker, Reporter: outbox,
		Targets: keeper, Meters: meters, Log: log, Form: form, Interval: c.DriftInterval, Reached: reached, Decided: d.decided,
	})
	watch := health.New(health.Deps{Gateway: kong, Status: tracker, Meters: meters, Log: log, Sample: c.SampleInterval})
	schemas := bundle.New(bundle.Deps{
		Schemas: kong.Schemas, Capabilities: applier.Capabilities, Starts: applier.Starts,
		Changed: func() { tracker.Update(func(*View) {}) }, Log: log,
	})
	distributor := &upstream.DistributorClient{
		Identity: identity, Dial: d.DialDistributor, Store: store, Mailbox: mailbox, Outbox: outbox, Status: tracker, Log: log,
		Received: func(bytes int) { meters.received.Add(float64(bytes)) }, Refused: applier.Refused, Health: watch,
		Targets: keeper,
	}
	registry := &upstream.RegistryClient{
		Identity: identity, Dial: d.DialRegistry, Status: tracker, Log: log, Capabilities: applier.Capabilities, Form: form,
		LoadTimeout: c.LoadTimeout, MemoryLimit: c.memoryLimit(),
		SetPolicy: applier.SetPolicy, SetProbes: watch.SetProbes, Drains: drains, Schemas: schemas,
		Unmanaged: applier,
	}
	loops := []run.Loop{applier.Run, keeper.Run, distributor.Run, schemas.Run, registry.Run, watch.Run}
	if listener != nil {
		loops = append(loops, listener.Serve)
	}
	return &Agent{
		log: log, gateway: kong, store: store, status: tracker, drains: drains, grace: c.DrainGrace, http: listener, loops: loops,
	}, nil
}

// complete sets the defaults and validates the configuration.
func complete(c Config, d Deps) (Config, Deps, error) {
	c = c.WithDefaults()
	if d.DialRegistry == nil {
		d.DialRegistry = dial(c.Registry, c)
	} else {
		c.Registry = []string{"given:0"}
	}
	if d.DialDistributor == nil {
		d.DialDistributor = dial(c.Distributor, c)
	} else {
		c.Distributor = []string{"given:0"}
	}
	if err := c.Check(); err != nil {
		return c, d, err
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Metrics == nil {
		d.Metrics = telemetry.NewMetrics()
	}
	if c.Version == "" {
		c.Version = build.Version()
	}
	return c, d, nil
}

func dial(addresses []string, c Config) func() (*grpc.ClientConn, error) {
	return func() (*grpc.ClientConn, error) {
		return rpc.Dial(rpc.ClientConfig{Addresses: addresses, TLS: c.TLS})
	}
}

// Run works until ctx ends, and then releases the state directory. The gateway serves on. With a drain grace, the agent first drains the
// node for that time while it works on.
func (a *Agent) Run(ctx context.Context) error {
	defer a.close()
	a.log.Info("agent started", "boot_id", a.status.View().BootID)
	// The work ends after the grace, not with ctx.
	return run.All(context.WithoutCancel(ctx), append(a.loops, a.leave(ctx))...)
}

// leave returns a loop that ends the others after ctx has ended and the grace is over.
func (a *Agent) leave(ctx context.Context) run.Loop {
	return func(work context.Context) error {
		select {
		case <-work.Done():
			return context.Cause(work)
		case <-ctx.Done():
		}
		if a.grace > 0 {
			a.drains.Stop(time.Now())
			a.log.Info("draining before the agent stops", "grace", a.grace)
			if err := backoff.Sleep(work, a.grace); err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	}
}

// Close ends an agent that was never Run.
func (a *Agent) Close() error {
	if a.http != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = a.http.Serve(ended)
	}
	a.close()
	return nil
}

func (a *Agent) close() {
	a.gateway.Close()
	_ = a.store.Close()
}

// Status returns what the agent knows now. It is safe for concurrent use.
func (a *Agent) Status() View { return a.status.View() }

// HTTPAddress is the address of the HTTP listener; empty when there is none.
func (a *Agent) HTTPAddress() string {
	if a.http == nil {
		return ""
	}
	return a.http.Address()
}
