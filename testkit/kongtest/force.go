package kongtest

import (
	"crypto/md5" // Kong's own choice
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"
)

// boot reads what the gateway starts with: the declarative file, or what the
// prefix holds, or nothing.
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
	l, err := g.parse(posted{text: text}, false)
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
	l, err := g.parse(posted{text: text}, false)
	if err != nil {
		return nil, err
	}
	l.hash = hash
	return l, nil
}

// parse turns what was posted into a configuration, its hash included. The
// error is errCrash, a *refused, or the parser's.
func (g *Gateway) parse(p posted, faulty bool) (*loaded, error) {
	doc := p.document
	if doc == nil {
		var err error
		if doc, err = parseText(p.text); err != nil {
			return nil, err
		}
	}
	ld := loader{now: time.Now(), structure: structure{
		kinds: g.kinds, plugins: g.plugins, flavor: g.opts.RouterFlavor, schemas: g.opts.Schemas, lua: g.opts.UntrustedLua != "off",
	}}
	if faulty {
		ld.refuse = g.faults.refusal()
	}
	l, err := ld.load(doc, p.flatten)
	if err != nil {
		return nil, err
	}
	switch {
	case len(l.entities) == 0:
		l.hash = emptyHash
	case p.document != nil:
		// Kong hashes its own serialisation, times included: nobody can foresee it (F3).
		l.hash = md5Hex(fmt.Appendf(p.raw[:len(p.raw):len(p.raw)], "%d", ld.now.Unix()))
	default:
		l.hash = md5Hex(p.text)
	}
	return l, nil
}

// install saves a configuration and puts it in force. The hash changes at once,
// the workers turn to it one after the other (F26). Run is the process that was
// asked: when it has been killed meanwhile, nothing happens.
func (g *Gateway) install(l *loaded, text []byte, run chan struct{}) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-run:
		return errNotRunning
	default:
	}
	if err := g.disk.save(l, text); err != nil {
		return err
	}
	g.current = l
	g.unbuilt = false
	since := time.Since(g.installed)
	g.installed = time.Now()
	if g.faults.stuck() || g.faults.stale(since) {
		return nil
	}
	for i, w := range g.workers {
		if g.opts.SwitchDelay == 0 {
			w.router.Store(l.router)
			continue
		}
		time.AfterFunc(g.opts.SwitchDelay*time.Duration(i+1), func() { g.turnTo(w, run) })
	}
	return nil
}

// turnTo brings one worker up to date, unless its process is gone or stuck.
func (g *Gateway) turnTo(w *worker, run chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-run:
		return
	default:
	}
	if g.current != nil && !g.faults.stuck() {
		w.router.Store(g.current.router)
	}
}

func md5Hex(text []byte) string {
	sum := md5.Sum(text) // see the import
	return hex.EncodeToString(sum[:])
}

var errNotRunning = errors.New("the gateway is not running")
