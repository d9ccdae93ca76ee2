package kongtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/admin"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/metering"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/proxy"
)

const (
	adminListener = iota
	statusListener
	proxyListener
	secureListener // of the proxy, when there is one beside the other
	listeners
)

// Gateway is one simulated gateway. Its methods may be called at any time from any goroutine.
type Gateway struct {
	opts    Options
	kinds   *entity.Kinds
	plugins map[string]bool
	disk    disk
	traffic metering.Traffic
	meter   metering.Meter
	admin   *admin.API
	proxy   *proxy.Proxy
	secure  *tls.Config // of the secure listener

	// lifecycle is held while starting and stopping, not while serving.
	lifecycle sync.Mutex
	servers   []*http.Server
	serving   sync.WaitGroup

	// mu guards the fields below.
	mu        sync.Mutex
	addresses [listeners]string
	installed time.Time // when a configuration came into force last
	current   *loaded
	running   bool
	draining  bool
	unbuilt   bool // a reload failed: readiness is lost (F30)
	nodeID    string
	version   string
	starts    uint64        // a number of this start, by which schemas vary (F44)
	gone      chan struct{} // closed when this run of the process ends
}

// New starts a gateway. It serves until Close.
func New(opts Options) (*Gateway, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		opts:      opts,
		kinds:     entity.NewKinds(),
		plugins:   map[string]bool{},
		disk:      disk{dir: opts.Prefix},
		version:   KongVersion,
		addresses: [listeners]string{opts.Admin, opts.Status, opts.Proxy, opts.SecureProxy},
	}
	if opts.SecureProxy != "" {
		if g.secure, err = ownCertificate(); err != nil {
			return nil, fmt.Errorf("a certificate for the simulated gateway: %w", err)
		}
	}
	enabled := opts.Plugins
	if enabled == nil {
		enabled = admin.BundledPlugins()
	}
	for _, name := range enabled {
		g.plugins[name] = true
	}
	g.admin = admin.New(admin.Settings{
		Kinds: g.kinds, Plugins: g.plugins, Listed: opts.Plugins, Workers: opts.Workers, RouterFlavor: opts.RouterFlavor,
		UntrustedLua: opts.UntrustedLua, BodyLimit: opts.BodyLimit, DeclarativeConfig: opts.DeclarativeConfig, SchemaDir: opts.SchemaDir,
		Schemas: opts.Schemas, Banner: Banner(),
	}, process{g}, &g.traffic, &g.meter)
	g.proxy = proxy.New(&g.traffic, &g.meter, func() string { return admin.ServerToken(g.kongVersion()) })
	if err := g.start(); err != nil {
		return nil, err
	}
	return g, nil
}

// Run serves until ctx ends, and returns when the gateway has stopped.
func (g *Gateway) Run(ctx context.Context) error {
	<-ctx.Done()
	g.Close()
	return nil
}

// Close stops the gateway for good.
func (g *Gateway) Close() {
	g.Kill()
	g.proxy.Close()
}

// Restart stops the gateway, waiting for requests in flight until ctx ends, and
// starts it again on the same addresses: with what its prefix held, or with the
// declarative file when one is set. After Kill or Lose it only starts.
func (g *Gateway) Restart(ctx context.Context) error {
	g.stop(ctx)
	return g.start()
}

// Kill ends the process as kill -9 does: connections break, nothing is saved.
func (g *Gateway) Kill() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	g.stop(ended)
}

// Lose kills the gateway and deletes its prefix, as when a container is replaced.
func (g *Gateway) Lose() error {
	g.Kill()
	return g.disk.wipe()
}

// Upgrade stops the gateway and starts it as another version. Only the reported version changes. The content of the prefix is dropped with
// the major or minor version, as with LMDB (F29).
func (g *Gateway) Upgrade(ctx context.Context, version string) error {
	g.stop(ctx)
	g.mu.Lock()
	before := g.version
	g.version = version
	g.mu.Unlock()
	if admin.LMDBTag(before) != admin.LMDBTag(version) {
		if err := g.disk.wipe(); err != nil {
			return err
		}
	}
	return g.start()
}

// Reload is kong reload: with a declarative file the gateway returns to it. With
// an invalid file the old workers serve on, but the node is no longer ready (F30).
func (g *Gateway) Reload() {
	var err error
	if g.opts.DeclarativeConfig != "" { // else the configuration is in LMDB, and stays
		var l *loaded
		var text []byte
		if l, text, err = g.declared(); err == nil {
			err = g.install(l, text, g.run())
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.unbuilt = true
		return
	}
	g.proxy.Reload()
	g.starts = rand.Uint64()
}

// start reads the initial configuration, then opens the listeners.
func (g *Gateway) start() error {
	g.lifecycle.Lock()
	defer g.lifecycle.Unlock()
	if len(g.servers) > 0 {
		return errors.New("the gateway is already running")
	}
	l, err := g.boot()
	if err != nil {
		return fmt.Errorf("start the simulated gateway: %w", err)
	}
	id := g.opts.NodeID
	if id == "" {
		id = entity.RandomID()
	}
	g.mu.Lock()
	if l != nil {
		l.table.ForgetHealth() // it is in the memory of the process
	}
	g.current, g.nodeID = l, id
	g.proxy.Start(g.opts.Workers, l.served())
	g.starts = rand.Uint64()
	g.running, g.draining, g.unbuilt = true, false, false
	g.admin.Faults.Unwedge()
	g.gone = make(chan struct{})
	addresses := g.addresses
	g.mu.Unlock()
	g.meter.Reset()
	if err := g.listen(addresses); err != nil {
		g.stopLocked(context.Background())
		return err
	}
	return nil
}

func (g *Gateway) listen(addresses [listeners]string) error {
	handlers := [listeners]http.HandlerFunc{g.admin.ServeAdmin, g.admin.ServeStatus, g.proxy.ServeHTTP, g.proxy.ServeHTTP}
	for i, address := range addresses {
		if address == "" {
			continue
		}
		l, err := open(address)
		if err != nil {
			return fmt.Errorf("listen for the simulated gateway: %w", err)
		}
		g.mu.Lock()
		if _, is := l.(*net.TCPListener); is {
			g.addresses[i] = l.Addr().String() // which port it became
		}
		g.mu.Unlock()
		srv := &http.Server{
			Handler:           handlers[i],
			ReadHeaderTimeout: 30 * time.Second,
			ErrorLog:          log.New(io.Discard, "", 0),
			ConnState:         g.traffic.Note,
		}
		ofProxy := i == proxyListener || i == secureListener
		if ofProxy {
			srv.ConnContext = g.proxy.Assign
		}
		g.servers = append(g.servers, srv)
		if config := g.tls(i); config != nil {
			srv.TLSConfig = config.Clone()
			if ofProxy {
				srv.TLSConfig = g.bySNI(config)
			}
			srv.Protocols = new(http.Protocols)
			srv.Protocols.SetHTTP1(true)
			srv.Protocols.SetHTTP2(slices.Contains(config.NextProtos, "h2"))
			g.serving.Go(func() { _ = srv.ServeTLS(l, "", "") })
			continue
		}
		g.serving.Go(func() { _ = srv.Serve(l) }) // ends when stop closes it
	}
	return nil
}

// open replaces a socket file that a killed process left behind.
func open(address string) (net.Listener, error) {
	path, is := strings.CutPrefix(address, unixPrefix)
	if !is {
		return net.Listen("tcp", address)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// tls returns nil for a socket.
func (g *Gateway) tls(listener int) *tls.Config {
	if strings.HasPrefix([listeners]string{g.opts.Admin, g.opts.Status, g.opts.Proxy, g.opts.SecureProxy}[listener], unixPrefix) {
		return nil
	}
	return [listeners]*tls.Config{g.opts.AdminTLS, g.opts.StatusTLS, g.opts.ProxyTLS, g.secure}[listener]
}

func (g *Gateway) stop(ctx context.Context) {
	g.lifecycle.Lock()
	defer g.lifecycle.Unlock()
	g.stopLocked(ctx)
}

// stopLocked lets running requests end until ctx does. Those that remain then find that their process is gone: they neither answer nor
// load.
func (g *Gateway) stopLocked(ctx context.Context) {
	for _, srv := range g.servers {
		_ = srv.Shutdown(ctx) // what it leaves is closed below
	}
	g.mu.Lock()
	if g.running {
		g.running = false
		close(g.gone)
	}
	g.mu.Unlock()
	for _, srv := range g.servers {
		_ = srv.Close()
	}
	g.serving.Wait()
	g.servers = nil
}

// AdminURL returns the address of the Admin API.
func (g *Gateway) AdminURL() string { return g.url(adminListener) }

// StatusURL returns the address of the Status API.
func (g *Gateway) StatusURL() string { return g.url(statusListener) }

// ProxyURL returns the address of the proxy.
func (g *Gateway) ProxyURL() string { return g.url(proxyListener) }

// SecureProxyURL returns the address of the listener of Options.SecureProxy.
func (g *Gateway) SecureProxyURL() string { return g.url(secureListener) }

// url returns unix:// and the path for a socket.
func (g *Gateway) url(listener int) string {
	address := g.address(listener)
	if path, is := strings.CutPrefix(address, unixPrefix); is {
		return "unix://" + path
	}
	if g.tls(listener) != nil {
		return "https://" + address
	}
	return "http://" + address
}

func (g *Gateway) address(listener int) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addresses[listener]
}

// Hash returns the present configuration_hash.
func (g *Gateway) Hash() string {
	if l := g.inForce(); l != nil {
		return l.Hash
	}
	return declarative.EmptyHash
}

// Config returns the configuration in force as flat declarative JSON: the gateway's form, not the posted text.
func (g *Gateway) Config() []byte {
	doc := map[string]any{"_format_version": "3.0"}
	if l := g.inForce(); l != nil {
		for name, list := range l.Entities {
			raws := make([]any, len(list))
			for i, e := range list {
				raws[i] = e.Raw
			}
			doc[name] = raws
		}
	}
	return document.Marshal(doc)
}

// Posts returns the number of requests to POST /config, whatever their result.
func (g *Gateway) Posts() int { return g.admin.Posts() }

// BytesReceived returns the number of body bytes of those requests.
func (g *Gateway) BytesReceived() int64 { return g.admin.BytesReceived() }

// Loads returns the number of configurations that came into force by POST /config.
func (g *Gateway) Loads() int { return g.admin.Loads() }

func (g *Gateway) inForce() *loaded {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}

// run returns a channel that is closed when the present run of the process ends.
func (g *Gateway) run() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gone
}

func (g *Gateway) kongVersion() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.version
}

// process is the gateway as the Admin API sees it.
type process struct{ *Gateway }

func (p process) State() admin.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := admin.State{
		Run: p.gone, Draining: p.draining, Unbuilt: p.unbuilt, NodeID: p.nodeID, Version: p.version, Start: p.starts, PIDs: p.proxy.PIDs(),
		Listeners: p.addresses,
	}
	if p.current != nil {
		s.Configuration = p.current.Configuration
	}
	return s
}

func (p process) Drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = true
}

func (p process) Balancer() admin.Balancer {
	if l := p.inForce(); l != nil {
		return l.table
	}
	return nil
}

func (p process) Load(posted admin.Posted, run <-chan struct{}) (*declarative.Configuration, error) {
	if posted.Check && posted.Document == nil && md5Hex(posted.Text) == p.Hash() {
		return nil, nil
	}
	l, err := p.parse(posted, true)
	if err != nil {
		return nil, err
	}
	text := posted.Text
	if posted.Document != nil {
		text = posted.Raw
	}
	if err := p.install(l, text, run); err != nil {
		return nil, err
	}
	return l.Configuration, nil
}
