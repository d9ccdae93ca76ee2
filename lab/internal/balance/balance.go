// Package balance is a load balancer for labs. It asks each agent's /readyz, as load balancers before real gateways do, and sends requests
// to gateways that are ready, in turn or by weight. It is no product: it knows no TLS.
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
	"slices"
	"strconv"
	"strings"
	"sync"
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

	// Weight is how many requests it gets while another one of UsualWeight gets UsualWeight; 1 to UsualWeight.
	Weight int
}

// UsualWeight is the weight of a gateway of which nothing else is said.
const UsualWeight = 100

// Parse reads name=proxy,ready or name=proxy,ready,weight=n.
func Parse(text string) (Gateway, error) {
	name, rest, _ := strings.Cut(text, "=")
	parts := strings.Split(rest, ",")
	g := Gateway{Name: name, Weight: UsualWeight}
	wrong := fmt.Errorf("gateway %q: want name=http://proxy:port,http://agent:port/readyz, and ,weight=1 to ,weight=%d after it for a "+
		"smaller share", text, UsualWeight)
	if len(parts) == 3 {
		weight, found := strings.CutPrefix(parts[2], "weight=")
		n, err := strconv.Atoi(weight)
		if !found || err != nil || n < 1 || n > UsualWeight {
			return g, wrong
		}
		g.Weight, parts = n, parts[:2]
	}
	if name == "" || len(parts) != 2 {
		return g, wrong
	}
	var errs [2]error
	g.Proxy, errs[0] = url.Parse(parts[0])
	g.Ready, errs[1] = url.Parse(parts[1])
	if err := errors.Join(errs[:]...); err != nil {
		return g, fmt.Errorf("gateway %q: %w", text, err)
	}
	if g.Proxy.Host == "" || g.Ready.Host == "" {
		return g, wrong
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
	credit  int // of its weight, what was not yet spent on requests; under Balancer.mu
}

// Balancer is safe for concurrent use.
type Balancer struct {
	members  []*member
	interval time.Duration
	log      *slog.Logger
	asking   *http.Client
	sending  http.RoundTripper
	proxy    *httputil.ReverseProxy

	mu sync.Mutex // of the members' credits
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

// candidates returns the ready gateways, first the one whose turn it is. Where none is ready, those whose agent does not answer are better
// than nothing: a gateway serves without its agent.
func (b *Balancer) candidates() []*member {
	for _, want := range []verdict{ready, unknown} {
		var some []*member
		for _, m := range b.members {
			if verdict(m.verdict.Load()) == want {
				some = append(some, m)
			}
		}
		if len(some) > 0 {
			first := b.turn(some)
			return slices.Concat(some[first:], some[:first])
		}
	}
	return nil
}

// turn returns whose turn it is: everybody earns a weight for each request, and the one that has most pays for the request what all have
// earned. So each gets its share, spread evenly over the requests, and equal weights take turns.
func (b *Balancer) turn(some []*member) (first int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	earned := 0
	for i, m := range some {
		m.credit += m.Weight
		earned += m.Weight
		if m.credit > some[first].credit {
			first = i
		}
	}
	some[first].credit -= earned
	return first
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
