// Package gateway speaks with one Kong: it reads what the gateway is and runs, posts a configuration, and proves that
// every worker serves it. It decides nothing and keeps no configuration. It posts one at a time, however many callers
// there are (fact F28).
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
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kong/go-kong/kong"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// Options say where a gateway listens, and the timeouts of requests to it.
type Options struct {
	Admin, Proxy, Status string        // see ParseListener; an empty Status asks the Admin API, which knows no readiness
	TLS                  TLS           // for Admin and Status
	TokenFile            string        // its content is sent to the Admin API as Kong-Admin-Token; empty: nothing
	LoadTimeout          time.Duration // for one POST, from its first byte to the answer
	ProofTimeout         time.Duration // for one proof
	LoadGap              time.Duration // between the end of one load and the next (fact F43)
	Log                  *slog.Logger  // of renewed TLS files; nil: nowhere
}

// Gateway is one Kong. It is safe for concurrent use.
type Gateway struct {
	opts         Options
	kong         *kong.Client
	admin        api
	status       api                         // of readiness; without a base when there is none
	proxy        api                         // a connection for each request
	loading      chan struct{}               // capacity 1: held by the load under way
	loaded       atomic.Pointer[time.Time]   // when the last load ended
	processes    atomic.Pointer[map[int]int] // processes by worker, as the last proof met them
	disconnected chan struct{}               // capacity 1: a kept connection has ended
}

// api is a listener and its client.
type api struct {
	base   string
	client *http.Client
}

// readTimeout bounds every read of the Admin and Status API. A gateway with one worker answers late while it loads.
const readTimeout = 3 * time.Second

// New reads the files of TLS and makes no connection. Its errors do not repeat URLs, which can hold passwords.
func New(opts Options) (*Gateway, error) {
	g := &Gateway{opts: opts, loading: make(chan struct{}, 1), disconnected: make(chan struct{}, 1)}
	admin, err := ParseListener(opts.Admin)
	if err != nil {
		return nil, fmt.Errorf("admin URL: %w", err)
	}
	var status Listener
	if opts.Status != "" {
		if status, err = ParseListener(opts.Status); err != nil {
			return nil, fmt.Errorf("status URL: %w", err)
		}
	}
	secure := &tlsDialer{serverName: opts.TLS.ServerName}
	if admin.Secure() || status.Secure() {
		if secure.source, err = tlsfiles.Client(opts.TLS.Files, opts.Log); err != nil {
			return nil, fmt.Errorf("TLS files for the Admin and the Status API: %w", err)
		}
	}
	adminTransport := admin.control(secure)
	if opts.Status == "" {
		g.watched(adminTransport)
	}
	g.admin = api{admin.base, &http.Client{Transport: adminTransport, CheckRedirect: noRedirect}}
	if opts.TokenFile != "" {
		g.admin.client.Transport = &withToken{Transport: adminTransport, file: opts.TokenFile}
	}
	if opts.Status != "" {
		g.status = api{status.base, &http.Client{Transport: g.watched(status.control(secure)), CheckRedirect: noRedirect}}
	}
	proxy, err := ParseListener(opts.Proxy)
	if err != nil {
		return nil, fmt.Errorf("proxy URL: %w", err)
	}
	fresh := proxy.transport()
	fresh.DisableKeepAlives = true // each connection may reach another worker
	// The digest in the answer is the proof, so the gateway's certificate is not verified. For the reserved host the gateway sends its
	// default certificate.
	fresh.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, ServerName: proof.Host}
	g.proxy = api{proxy.base, &http.Client{Transport: fresh, CheckRedirect: noRedirect}}
	if g.kong, err = kong.NewClient(&g.admin.base, g.admin.client); err != nil {
		return nil, errors.New("client of the Admin API: the URL cannot be used")
	}
	return g, nil
}

// Close drops idle connections.
func (g *Gateway) Close() {
	for _, a := range []api{g.admin, g.status, g.proxy} {
		if a.client != nil {
			a.client.CloseIdleConnections()
		}
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Observation is what a gateway runs at one moment.
type Observation struct {
	Hash    fleet.GatewayHash
	Workers string // identifies the worker processes: another value means that they were restarted
	Ready   bool   // by the status listener; without one, that the gateway answers
	Unready string // Kong's message when it is not ready
}

// Observe reads the gateway's status. An error means that it does not answer.
func (g *Gateway) Observe(ctx context.Context) (Observation, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	answer, err := g.readStatus(ctx)
	if err != nil {
		return Observation{}, err
	}
	if answer.Hash == "" {
		return Observation{}, errors.New("GET /status answered without a configuration hash")
	}
	s := Observation{Hash: fleet.GatewayHash(answer.Hash), Ready: true, Workers: answer.workers()}
	if g.status.base == "" {
		return s, nil
	}
	var ready struct {
		Message string `json:"message"`
	}
	code, err := g.status.get(ctx, "/status/ready", &ready)
	if err != nil {
		return Observation{}, err
	}
	s.Ready, s.Unready = code == http.StatusOK, ready.Message
	return s, nil
}

// maxAnswer bounds what is read of any answer.
const maxAnswer = 4 << 20

// open sends a GET. The caller closes the body.
func (a api) open(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	return resp, nil
}

// get decodes a JSON answer. Other bodies are not read, because nginx answers some errors in HTML (fact F35).
func (a api) get(ctx context.Context, path string, into any) (int, error) {
	resp, err := a.open(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	defer drain(resp.Body)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
			return resp.StatusCode, fmt.Errorf("GET %s: the answer is not the expected JSON", path)
		}
	}
	return resp.StatusCode, nil
}

// drain reads a small rest of a body, so that the connection can be reused.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, 64<<10) }

// withoutURL removes the URL from an error, because a URL can hold a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
