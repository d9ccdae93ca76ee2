package kongtest

import (
	"crypto/md5" // Kong's own choice
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/admin"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/proxy"
)

// loaded is a configuration in force. It is immutable. It does not keep the posted text and the parsed document, only what reads and
// routing need.
type loaded struct {
	*declarative.Configuration
	table *proxy.Table
}

// served is the configuration that workers serve; nil is none.
func (l *loaded) served() *proxy.Table {
	if l == nil {
		return nil
	}
	return l.table
}

// boot reads the initial configuration of the gateway: the declarative file, or what the prefix holds, or none.
func (g *Gateway) boot() (*loaded, error) {
	if g.opts.DeclarativeConfig == "" {
		return g.recover()
	}
	l, text, err := g.declared()
	if err != nil {
		return nil, err
	}
	return l, g.disk.save(l, text)
}

// declared reads the declarative file.
func (g *Gateway) declared() (*loaded, []byte, error) {
	text, err := os.ReadFile(g.opts.DeclarativeConfig)
	if err != nil {
		return nil, nil, err
	}
	l, err := g.parse(admin.Posted{Text: text}, false)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", g.opts.DeclarativeConfig, err)
	}
	return l, text, nil
}

func (g *Gateway) recover() (*loaded, error) {
	if g.disk.dir == "" {
		return g.disk.kept.Load(), nil
	}
	hash, text, err := g.disk.read()
	if err != nil || text == nil {
		return nil, err
	}
	l, err := g.parse(admin.Posted{Text: text}, false)
	if err != nil {
		return nil, err
	}
	l.Hash = hash
	return l, nil
}

// parse parses a posted configuration and computes its hash. The error is document.ErrCrash, a *problems.Refused, or the parser's.
func (g *Gateway) parse(p admin.Posted, faulty bool) (*loaded, error) {
	doc := p.Document
	if doc == nil {
		var err error
		if doc, err = document.Parse(p.Text); err != nil {
			return nil, err
		}
	}
	loader := declarative.Loader{Now: time.Now(), Checker: check.Checker{
		Kinds: g.kinds, Plugins: g.plugins, Flavor: g.opts.RouterFlavor, Schemas: g.opts.Schemas,
	}}
	if faulty {
		loader.Refuse = g.admin.Faults.Refusal()
	}
	configuration, set, err := loader.Load(doc, p.Flatten)
	if err != nil {
		return nil, err
	}
	l := &loaded{configuration, proxy.Compile(set, g.opts.RouterFlavor, g.opts.UntrustedLua != "off")}
	switch {
	case len(l.Entities) == 0:
		l.Hash = declarative.EmptyHash
	case p.Document != nil:
		// Kong hashes its own serialisation, times included, so the hash cannot be predicted (F3).
		l.Hash = md5Hex(fmt.Appendf(p.Raw[:len(p.Raw):len(p.Raw)], "%d", loader.Now.Unix()))
	default:
		l.Hash = md5Hex(p.Text)
	}
	return l, nil
}

// install saves a configuration and puts it in force. The hash changes at once, and the workers switch to it one after the other (F26). run
// is the process that got the request. When it has been killed meanwhile, nothing happens.
func (g *Gateway) install(l *loaded, text []byte, run <-chan struct{}) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-run:
		return admin.ErrNotRunning
	default:
	}
	if err := g.disk.save(l, text); err != nil {
		return err
	}
	if g.admin.Faults.KeepsHealth() && g.current != nil {
		l.table.TakeHealth(g.current.table.Router)
	}
	g.current = l
	g.unbuilt = false
	since := time.Since(g.installed)
	g.installed = time.Now()
	if g.admin.Faults.Stuck() || g.admin.Faults.Stale(since) {
		return nil
	}
	for i, w := range g.proxy.Workers() {
		if g.opts.SwitchDelay == 0 {
			w.Turn(l.table)
			continue
		}
		time.AfterFunc(g.opts.SwitchDelay*time.Duration(i+1), func() { g.turnTo(w, run) })
	}
	return nil
}

// turnTo brings one worker up to date, unless its process is gone or stuck.
func (g *Gateway) turnTo(w *proxy.Worker, run <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-run:
		return
	default:
	}
	if g.current != nil && !g.admin.Faults.Stuck() {
		w.Turn(g.current.table)
	}
}

func md5Hex(text []byte) string {
	sum := md5.Sum(text) // see the import
	return hex.EncodeToString(sum[:])
}
