// Package proxy is the listener for traffic: workers that turn to a configuration one after the other, routes, the plugins that are
// simulated, and the way to the upstream.
package proxy

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/metering"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/router"
)

// Proxy serves proxied requests.
type Proxy struct {
	Server  func() string // the token of the Server and Via headers
	Traffic *metering.Traffic
	Meter   *metering.Meter

	transport *http.Transport

	mu          sync.Mutex
	workers     []*Worker
	orphans     []*Worker // of masters that were killed: they share the listener
	connections int       // ever
	generations int       // of worker processes, ever
}

// New returns a proxy without workers; it is not served before Start.
func New(traffic *metering.Traffic, meter *metering.Meter, server func() string) *Proxy {
	return &Proxy{Server: server, Traffic: traffic, Meter: meter, transport: newTransport()}
}

// Close closes idle connections to upstreams.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 60 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // as Kong by default (tls_verify)
		MaxIdleConnsPerHost: 60,
		IdleConnTimeout:     60 * time.Second,
		DisableCompression:  true,
	}
}

// ServeHTTP serves a request at the worker that has its connection.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Traffic.Requests.Add(1)
	wk := r.Context().Value(workerKey{}).(*Worker)
	t := &turn{worker: wk.id, workers: wk.count, pid: p.pidOf(wk), requestID: requestID()}
	w.Header().Set("Server", p.Server())
	w.Header().Set("X-Kong-Request-Id", t.requestID)
	rt := wk.table.Load()
	if rt == nil {
		t.fail(w, http.StatusNotFound, "no Route matched with those values")
		return
	}
	t.keys, t.owners, t.passwords = rt.keys, rt.owners, rt.passwords
	if target, _, _ := strings.Cut(r.RequestURI, "?"); request.Climbs(target) {
		t.fail(w, http.StatusBadRequest, "Bad request")
		return
	}
	a := request.Of(r)
	rule, matched := rt.Match(a)
	if rule == nil {
		t.fail(w, http.StatusNotFound, "no Route matched with those values")
		return
	}
	if what := rt.metering(rule.Route); what != nil {
		rec := &metering.Recorder{ResponseWriter: w}
		w = rec
		defer p.meterRequest(what, rule.Route, r, t, rec, time.Now())
	}
	if status := rule.Route.RedirectHTTP; status != 0 && r.TLS == nil {
		redirectToHTTPS(w, r, t, status)
		return
	}
	if rule.Route.GRPC && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		t.fail(w, http.StatusUnsupportedMediaType, "Non-gRPC request matched gRPC route")
		return
	}
	t.captures = matched.Captures
	plugins := rt.running(rule.Route)
	w = answering(w, plugins)
	for _, plugin := range plugins {
		if plugin.run != nil && plugin.run(w, r, t) {
			return
		}
	}
	if rule.Route.Service == nil {
		t.fail(w, http.StatusServiceUnavailable, "no Service found with those values")
		return
	}
	p.forward(w, r, t, rt, rule.Route, a, matched.Text)
}

// answering lets plugins change the headers of the answer.
func answering(w http.ResponseWriter, plugins []*plugin) http.ResponseWriter {
	var changes []func(http.Header)
	for _, plugin := range plugins {
		if plugin.answer != nil {
			changes = append(changes, plugin.answer)
		}
	}
	if changes == nil {
		return w
	}
	return &filtered{ResponseWriter: w, change: changes}
}

func (p *Proxy) meterRequest(what *metering.Selection, to *router.Route, r *http.Request, t *turn, rec *metering.Recorder,
	began time.Time) {
	if rec.Status == 0 {
		return // the connection was closed without an answer
	}
	s := metering.Served{
		Route: to.Name, Consumer: t.consumer, Status: rec.Status, Received: max(r.ContentLength, 0), Sent: rec.Sent,
		ByService: t.byService, Took: time.Since(began), Upstream: t.upstream,
	}
	if to.Service != nil {
		s.Service = to.Service.Name
	}
	p.Meter.Note(what, s)
}

func redirectToHTTPS(w http.ResponseWriter, r *http.Request, t *turn, status int) {
	if status == http.StatusUpgradeRequired {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "TLS/1.2, HTTP/1.1")
		t.fail(w, status, "Please use HTTPS protocol")
		return
	}
	host, _ := splitHost(r.Host)
	w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
	w.WriteHeader(status)
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, t *turn, rt *Table, to *router.Route, a request.Request, matched string) {
	address := rt.Address(to.Service)
	if address == "" {
		t.fail(w, http.StatusServiceUnavailable, "failure to get a peer from the ring-balancer")
		return
	}
	scheme := to.Service.Scheme
	if scheme != "https" {
		scheme = "http"
	}
	if !to.StripPath {
		matched = ""
	}
	path, query := router.UpstreamPath(to.Service.Path, a.Path, to.StripPath, len(matched)), a.Query
	if t.path != "" {
		path = t.path
	}
	if t.queryChanged {
		query = t.query
	}
	target := router.UpstreamURL(scheme, address, path, query)
	began := time.Now()
	forwarder := httputil.ReverseProxy{
		Transport: p.transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(out *httputil.ProxyRequest) {
			out.Out.URL = target
			out.SetXForwarded()
			host, port := splitHost(out.In.Host)
			if at, ok := out.In.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && port == "" {
				port = strconv.Itoa(at.Port)
			}
			out.Out.Host = cmp.Or(t.host, router.HostHeader(to, address, scheme, out.In.Host))
			out.Out.Header.Set("X-Forwarded-Host", host)
			out.Out.Header.Set("X-Forwarded-Port", port)
			path, _, _ := strings.Cut(out.In.RequestURI, "?")
			out.Out.Header.Set("X-Forwarded-Path", path)
			out.Out.Header.Set("X-Real-IP", clientIP(out.In))
			out.Out.Header.Set("X-Kong-Request-Id", t.requestID)
			out.Out.Header.Set("Via", "1.1 "+p.Server())
			if matched != "" && matched != "/" {
				out.Out.Header.Set("X-Forwarded-Prefix", matched)
			}
		},
		ModifyResponse: func(res *http.Response) error {
			t.byService, t.upstream = true, time.Since(began)
			w.Header().Del("Server") // the upstream's own goes through
			w.Header().Del("X-Kong-Request-Id")
			res.Header.Set("X-Kong-Upstream-Latency", "0")
			res.Header.Set("X-Kong-Proxy-Latency", "0")
			res.Header.Set("X-Kong-Request-Id", t.requestID)
			res.Header.Set("Via", "1.1 "+p.Server())
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var unresolved *net.DNSError
			if errors.As(err, &unresolved) {
				t.fail(w, http.StatusServiceUnavailable, "name resolution failed")
				return
			}
			t.fail(w, http.StatusBadGateway, "An invalid response was received from the upstream server")
		},
	}
	forwarder.ServeHTTP(w, r)
}

func requestID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

func splitHost(hostport string) (host, port string) {
	hostport = strings.ToLower(hostport)
	at := strings.LastIndexByte(hostport, ':')
	if at < 0 || strings.HasSuffix(hostport, "]") {
		return hostport, ""
	}
	if _, err := strconv.Atoi(hostport[at+1:]); err != nil {
		return hostport, ""
	}
	return hostport[:at], hostport[at+1:]
}
