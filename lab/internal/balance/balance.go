// Package balance is a load balancer for labs. It asks each agent's /readyz, as load balancers before real gateways do, and sends requests
// to gateways that are ready, in turn. It is no product: it knows neither weights nor TLS.
package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/run"
)

const (
	askTime     = time.Second
	connectTime = time.Second
)

// A Gateway is where requests may go, and whom to ask whether they may.
type Gateway struct {
	Name  string
	Proxy *url.URL
	Ready *url.URL // the agent's /readyz
}

// Parse reads name=proxy,ready.
func Parse(text string) (Gateway, error) {
	name, urls, _ := strings.Cut(text, "=")
	proxy, ready, two := strings.Cut(urls, ",")
	g := Gateway{Name: name}
	var errs [2]error
	g.Proxy, errs[0] = url.Parse(proxy)
	g.Ready, errs[1] = url.Parse(ready)
	if err := errors.Join(errs[:]...); err != nil {
		return g, fmt.Errorf("gateway %q: %w", text, err)
	}
	if name == "" || !two || g.Proxy.Host == "" || g.Ready.Host == "" {
		return g, fmt.Errorf("gateway %q: want name=http://proxy:port,http://agent:port/readyz", text)
	}
	return g, nil
}

// verdict is what is known of a gateway. No answer says nothing about the gateway, so it is not a refusal.
type verdict int32

const (
	unknown verdict = iota
	refused
	ready
)

func (v verdict) String() string { return [...]string{"no answer", "not ready", "ready"}[v] }

type member struct {
	Gateway
	verdict atomic.Int32
}

// Balancer is safe for concurrent use.
type Balancer struct {
	members  []*member
	interval time.Duration
	log      *slog.Logger
	next     atomic.Uint64
	asking   *http.Client
	sending  http.RoundTripper
	proxy    *httputil.ReverseProxy
}

// New returns a balancer that knows nothing of its gateways yet. Each is asked again an interval after its last answer.
func New(gateways []Gateway, interval time.Duration, log *slog.Logger) *Balancer {
	dialer := &net.Dialer{Timeout: connectTime}
	b := &Balancer{
		interval: interval, log: log,
		asking:  &http.Client{Timeout: askTime, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}},
		sending: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second},
	}
	for _, g := range gateways {
		b.members = append(b.members, &member{Gateway: g})
	}
	b.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: transport(b.send),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return b
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip sends a request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// Run asks the agents until ctx ends.
func (b *Balancer) Run(ctx context.Context) error {
	var loops []run.Loop
	for _, m := range b.members {
		loops = append(loops, func(ctx context.Context) error {
			for {
				b.ask(ctx, m)
				if err := backoff.Sleep(ctx, b.interval); err != nil {
					return err
				}
			}
		})
	}
	return run.All(ctx, loops...)
}

// Ask asks every agent once and returns when all have answered, or have not in time.
func (b *Balancer) Ask(ctx context.Context) {
	for _, m := range b.members {
		b.ask(ctx, m)
	}
}

func (b *Balancer) ask(ctx context.Context, m *member) {
	now := unknown
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.Ready.String(), nil)
	if err == nil {
		var answer *http.Response
		if answer, err = b.asking.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
			_ = answer.Body.Close()
			now = refused
			if answer.StatusCode == http.StatusOK {
				now = ready
			}
		}
	}
	if before := verdict(m.verdict.Swap(int32(now))); before != now && ctx.Err() == nil {
		b.log.Info("gateway changed", "gateway", m.Name, "before", before.String(), "now", now.String())
	}
}

// ServeHTTP sends a request to a gateway.
func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.proxy.ServeHTTP(w, r) }

// candidates returns the ready gateways, each request beginning with another one. Where none is ready, those whose agent does not answer
// are better than nothing: a gateway serves without its agent.
func (b *Balancer) candidates() []*member {
	first := int(b.next.Add(1) % uint64(max(1, len(b.members))))
	for _, want := range []verdict{ready, unknown} {
		var some []*member
		for i := range b.members {
			if m := b.members[(first+i)%len(b.members)]; verdict(m.verdict.Load()) == want {
				some = append(some, m)
			}
		}
		if len(some) > 0 {
			return some
		}
	}
	return nil
}

// send tries the next gateway when one does not answer, provided that the request may be repeated.
func (b *Balancer) send(r *http.Request) (*http.Response, error) {
	failed := errors.New("no gateway is ready")
	for _, m := range b.candidates() {
		r.URL.Scheme, r.URL.Host = m.Proxy.Scheme, m.Proxy.Host
		answer, err := b.sending.RoundTrip(r)
		if err == nil {
			answer.Header.Set("X-Gateway", m.Name)
			return answer, nil
		}
		failed = fmt.Errorf("gateway %s: %w", m.Name, err)
		b.log.Warn("gateway did not answer", "gateway", m.Name, "error", err)
		if r.Context().Err() != nil || !repeatable(r) {
			break
		}
	}
	return nil, failed
}

func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0
	}
	return false
}
