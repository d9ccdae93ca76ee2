// Package agent runs beside one Kong gateway: it follows what the node's group decided, loads it into Kong, proves that
// Kong serves it, and keeps the last known good for the day when everything else is gone. It never leaves a gateway
// empty, and never decides what a group should run.
package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
	"github.com/silverback-gateway/silverback/agent/internal/bundle"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/health"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/upstream"
	"github.com/silverback-gateway/silverback/kit/build"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// Deps are what an agent uses. Every field may be left out.
type Deps struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry // one per agent, for their names are the same
	// DialRegistry and DialDistributor open a connection in place of the addresses of the Config. The agent closes what it
	// was given, and dials the distributor anew for each stream.
	DialRegistry    func() (*grpc.ClientConn, error)
	DialDistributor func() (*grpc.ClientConn, error)
}

// View is one moment of an agent.
type View = status.View

// Condition is something about a node that an operator should know.
type Condition = status.Condition

// Event is something that happened on a node.
type Event = status.Event

// Agent is one agent. It shares nothing with others in the same process.
type Agent struct {
	log         *slog.Logger
	gateway     *gateway.Gateway
	store       *lastgood.Store
	status      *status.Tracker
	applier     *apply.Applier
	distributor *upstream.DistributorClient
	bundle      *bundle.Uploader
	registry    *upstream.RegistryClient
	drains      *upstream.Drains
	watch       *health.Watch
	grace       time.Duration
	http        *telemetry.HTTP

	metricsTurn chan struct{}
}

// New takes the state directory, reads what it holds, and opens the HTTP listener. It asks neither the gateway nor the
// control plane. An agent that is not Run must be closed.
func New(c Config, d Deps) (_ *Agent, err error) {
	if c, d, err = complete(c, d); err != nil {
		return nil, err
	}
	log := d.Log.With(telemetry.Group, c.Group, telemetry.Node, c.Node)
	form, err := c.form()
	if err != nil {
		return nil, err
	}
	meters, err := newMetrics(d.Metrics)
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
		Group: fleet.GroupID(c.Group), Node: fleet.NodeID(c.Node), BootID: rand.Text(), Version: c.Version,
		Labels: c.Labels, ProxyAddress: c.ProxyAddress,
	}
	if identity.Succeeds, err = store.SwapBootID(identity.BootID); err != nil {
		log.Warn("the next run of this agent will have to wait for the session of this one to end", telemetry.Err, err)
	}
	a := &Agent{
		log: log, gateway: kong, store: store,
		status: status.New(View{Group: c.Group, Node: c.Node, BootID: identity.BootID, Phase: "waiting"}), grace: c.DrainGrace,
		metricsTurn: make(chan struct{}, 1), // held by whoever asks
	}
	order, damage := store.RecallOrder()
	a.drains = upstream.NewDrains(a.status, store, order, damage)
	a.watch = health.New(health.Deps{Gateway: kong, Status: a.status, Meters: meters, Log: log, Sample: c.SampleInterval})
	if c.HTTP.Listen != "" {
		if a.http, err = telemetry.Listen(c.HTTP, d.Metrics, nil, a.ready); err != nil {
			_ = store.Close()
			return nil, err
		}
		a.http.HandleFunc("GET /status", a.serveStatus)
		a.http.HandleFunc("GET /gateway/metrics", a.serveGatewayMetrics)
		identity.HTTPAddress = a.http.Address()
	}
	meters.ready(d.Metrics, a.ready)
	meters.gauges(d.Metrics, a.status.View)
	a.distributor = &upstream.DistributorClient{
		Identity: identity, Dial: d.DialDistributor, Store: store, Status: a.status, Log: log,
		Received: func(bytes int) { meters.received.Add(float64(bytes)) },
	}
	a.applier = apply.New(apply.Deps{
		Gateway: kong, Store: store, Boot: lastgood.BootFile(c.BootFile), Status: a.status, Reporter: a.distributor, Meters: meters,
		Log: log, Form: form, Interval: c.DriftInterval, Reached: reached,
	})
	a.distributor.Mailbox, a.distributor.Refused = a.applier.Mailbox, a.applier.Refused
	a.bundle = bundle.New(bundle.Deps{
		Schemas: kong.Schemas, Capabilities: a.applier.Capabilities, Starts: a.applier.Starts,
		Changed: func() { a.status.Update(func(*View) {}) }, Log: log,
	})
	a.registry = &upstream.RegistryClient{
		Identity: identity, Dial: d.DialRegistry, Status: a.status, Log: log,
		Capabilities: a.applier.Capabilities, Form: form, LoadTimeout: c.LoadTimeout, SetPolicy: a.applier.SetPolicy,
		SetProbes: a.watch.SetProbes, Drains: a.drains, Schemas: a.bundle,
		Unmanaged: served{a.applier, kong},
	}
	return a, nil
}

// served is what an unmanaged gateway serves: in short by the applier, and the whole by the gateway.
type served struct {
	*apply.Applier
	gateway *gateway.Gateway
}

// Configuration asks the gateway.
func (s served) Configuration(ctx context.Context) ([]byte, error) {
	return s.gateway.Configuration(ctx)
}

// complete fills what was left out, and checks the whole.
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
		c.Version = build.Version
	}
	return c, d, nil
}

func dial(addresses []string, c Config) func() (*grpc.ClientConn, error) {
	return func() (*grpc.ClientConn, error) {
		return rpc.Dial(rpc.ClientConfig{Addresses: addresses, TLS: c.TLS})
	}
}

// Run works until ctx ends, and gives the state directory back. The gateway serves on. With a drain grace the agent first says for that
// time that the node is draining, and works on meanwhile.
func (a *Agent) Run(ctx context.Context) error {
	defer a.close()
	a.log.Info("agent started", "boot_id", a.status.View().BootID)
	loops := []run.Loop{a.applier.Run, a.distributor.Run, a.bundle.Run, a.registry.Run, a.watch.Run}
	if a.http != nil {
		loops = append(loops, a.http.Serve)
	}
	// The work ends after the grace, not with ctx.
	return run.All(context.WithoutCancel(ctx), append(loops, a.leave(ctx))...)
}

// leave is a loop that ends the others once ctx has ended and the grace is over.
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
			select {
			case <-work.Done():
				return context.Cause(work)
			case <-time.After(a.grace):
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

// Status returns what the agent knows now. It may be called from anywhere.
func (a *Agent) Status() View { return a.status.View() }

// HTTPAddress is where the HTTP listener is; empty when there is none.
func (a *Agent) HTTPAddress() string {
	if a.http == nil {
		return ""
	}
	return a.http.Address()
}

// ready is what load balancers ask; the error has a reason a line.
func (a *Agent) ready() error {
	if reasons := a.status.View().Unready(); len(reasons) > 0 {
		return errors.New(strings.Join(reasons, "\n"))
	}
	return nil
}

// serveStatus answers for people and load balancers.
func (a *Agent) serveStatus(w http.ResponseWriter, _ *http.Request) {
	view := a.status.View()
	unready := view.Unready()
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(struct { // a client that went away
		Ready   bool     `json:"ready"`
		Unready []string `json:"unready,omitempty"` // why not
		View
	}{len(unready) == 0, unready, view})
}
