// Package gateway speaks with one Kong: it reads what the gateway is and runs, posts a configuration, and proves that
// every worker serves it. It decides nothing and keeps nothing; a caller posts one configuration at a time (fact F28).
//
// No error of this package holds content of a configuration: Kong repeats whole entities, private keys included, in its
// answers (facts F8 and F12), so these are read selectively or not at all.
package gateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kong/go-kong/kong"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Options say where a gateway listens and how patient to be with it.
type Options struct {
	Admin, Proxy, Status string        // URLs; an empty Status asks the Admin API, which knows no readiness
	Token                string        // sent as Kong-Admin-Token when not empty
	LoadTimeout          time.Duration // for one POST, from its first byte to the answer
	ProofTimeout         time.Duration // for one proof
}

// Gateway is one Kong. It is safe for concurrent use.
type Gateway struct {
	opts   Options
	admin  *kong.Client
	client *http.Client // of the Admin and Status API
	fresh  *http.Client // of the proxy: a connection for each request
}

// readTimeout bounds every read of the Admin and Status API. A gateway on one worker answers late while it loads.
const readTimeout = 3 * time.Second

// New makes no connection.
func New(opts Options) (*Gateway, error) {
	for name, at := range map[string]string{"admin": opts.Admin, "proxy": opts.Proxy} {
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("%s URL %q: want http://host:port or https://host:port", name, at)
		}
	}
	g := &Gateway{opts: opts}
	g.opts.Admin = strings.TrimSuffix(opts.Admin, "/")
	g.opts.Proxy = strings.TrimSuffix(opts.Proxy, "/")
	g.opts.Status = strings.TrimSuffix(opts.Status, "/")
	var transport http.RoundTripper = &http.Transport{MaxIdleConns: 2, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second}
	if opts.Token != "" {
		transport = withToken{transport, opts.Token}
	}
	g.client = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	g.fresh = &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, // another connection, perhaps another worker
			// The proof rests on the digest in the answer, not on whose certificate the gateway shows its customers.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: noRedirect,
	}
	admin, err := kong.NewClient(&g.opts.Admin, g.client)
	if err != nil {
		return nil, fmt.Errorf("client of the Admin API: %w", err)
	}
	g.admin = admin
	return g, nil
}

// Close drops idle connections.
func (g *Gateway) Close() {
	g.client.CloseIdleConnections()
	g.fresh.CloseIdleConnections()
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

type withToken struct {
	next  http.RoundTripper
	token string
}

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Kong-Admin-Token", w.token)
	return w.next.RoundTrip(r)
}

func (w withToken) CloseIdleConnections() {
	if c, ok := w.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Sighting is what a gateway runs at one moment.
type Sighting struct {
	Hash    fleet.GatewayHash
	Workers string // identifies the worker processes: another value means that they were restarted
	Ready   bool   // by the status listener; without one, that the gateway answers
	Unready string // Kong's words when it is not ready
}

// Look asks the gateway what it runs. An error means that it does not answer.
func (g *Gateway) Look(ctx context.Context) (Sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	// go-kong's Status leaves out the workers.
	base := g.opts.Status
	if base == "" {
		base = g.opts.Admin
	}
	var said struct {
		Hash   string `json:"configuration_hash"`
		Memory struct {
			Workers []struct {
				PID json.Number `json:"pid"`
			} `json:"workers_lua_vms"`
		} `json:"memory"`
	}
	code, err := g.get(ctx, base+"/status", &said)
	if err != nil {
		return Sighting{}, err
	}
	if code != http.StatusOK || said.Hash == "" {
		return Sighting{}, fmt.Errorf("GET /status answered %d without a configuration hash", code)
	}
	s := Sighting{Hash: fleet.GatewayHash(said.Hash), Ready: true}
	for _, w := range said.Memory.Workers {
		s.Workers += w.PID.String() + " "
	}
	if g.opts.Status == "" {
		return s, nil
	}
	var ready struct {
		Message string `json:"message"`
	}
	code, err = g.get(ctx, g.opts.Status+"/status/ready", &ready)
	if err != nil {
		return Sighting{}, err
	}
	s.Ready, s.Unready = code == http.StatusOK, ready.Message
	return s, nil
}

// maxAnswer bounds what is read of any answer.
const maxAnswer = 4 << 20

// get reads JSON; a body that is none is left unread, for nginx answers some errors in HTML (fact F35).
func (g *Gateway) get(ctx context.Context, at string, into any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return 0, bare(err)
	}
	defer func() { _ = resp.Body.Close() }()
	defer drain(resp.Body)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
			return resp.StatusCode, fmt.Errorf("GET %s: the answer is not the expected JSON", req.URL.Path)
		}
	}
	return resp.StatusCode, nil
}

// drain lets the connection be used again, unless there is more than that is worth.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, 64<<10) }

// bare takes the URL off an error, for a URL can hold a password.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
