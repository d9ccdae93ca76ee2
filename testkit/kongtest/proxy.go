package kongtest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"time"
)

// worker is one of Kong's nginx workers: it has its own connections and its own
// view of the configuration, which lags a little behind the Admin API's.
type worker struct {
	id     int
	count  int // of all workers
	orphan int // its process id when its master was killed (F48); else 0
	router atomic.Pointer[router]
}

type workerKey struct{}

// assign gives a new connection to a worker, in turn. It stays there.
func (g *Gateway) assign(ctx context.Context, _ net.Conn) context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.connections++
	n := g.connections % (len(g.workers) + len(g.orphans))
	if n < len(g.workers) {
		return context.WithValue(ctx, workerKey{}, g.workers[n])
	}
	return context.WithValue(ctx, workerKey{}, g.orphans[n-len(g.workers)])
}

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 60 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // as Kong by default (tls_verify)
		MaxIdleConnsPerHost: 60,
		IdleConnTimeout:     60 * time.Second,
		DisableCompression:  true,
	}
}

func (g *Gateway) serveProxy(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	wk := r.Context().Value(workerKey{}).(*worker)
	t := &turn{worker: wk.id, workers: wk.count, pid: g.pidOf(wk), requestID: requestID()}
	w.Header().Set("Server", g.serverToken())
	w.Header().Set("X-Kong-Request-Id", t.requestID)
	rt := wk.router.Load()
	if rt == nil {
		t.fail(w, http.StatusNotFound, "no Route matched with those values")
		return
	}
	t.keys, t.owners, t.passwords = rt.keys, rt.owners, rt.passwords
	if target, _, _ := strings.Cut(r.RequestURI, "?"); climbs(target) {
		t.fail(w, http.StatusBadRequest, "Bad request")
		return
	}
	a := askedOf(r)
	rule, matched := rt.match(a)
	if rule == nil {
		t.fail(w, http.StatusNotFound, "no Route matched with those values")
		return
	}
	if what := rt.metering(rule.route); what != nil {
		rec := &recorder{ResponseWriter: w}
		w = rec
		defer g.meterRequest(what, rule.route, r, t, rec, time.Now())
	}
	if status := rule.route.https; status != 0 && r.TLS == nil {
		redirectToHTTPS(w, r, t, status)
		return
	}
	if rule.route.grpc && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		t.fail(w, http.StatusUnsupportedMediaType, "Non-gRPC request matched gRPC route")
		return
	}
	for _, p := range rt.running(rule.route) {
		if p.run(w, r, t) {
			return
		}
	}
	if rule.route.service == nil {
		t.fail(w, http.StatusServiceUnavailable, "no Service found with those values")
		return
	}
	g.forward(w, r, t, rt, rule.route, a, matched)
}

func (g *Gateway) meterRequest(what *metering, to *route, r *http.Request, t *turn, rec *recorder, began time.Time) {
	if rec.status == 0 {
		return // the connection was closed without an answer
	}
	s := served{
		route: to.name, consumer: t.consumer, status: rec.status, received: max(r.ContentLength, 0), sent: rec.sent,
		byService: t.byService, took: time.Since(began), upstream: t.upstream,
	}
	if to.service != nil {
		s.service = to.service.name
	}
	g.meter.note(what, s)
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

func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, t *turn, rt *router, to *route, a asked, matched string) {
	address := rt.address(to.service)
	if address == "" {
		t.fail(w, http.StatusServiceUnavailable, "failure to get a peer from the ring-balancer")
		return
	}
	scheme := to.service.scheme
	if scheme != "https" {
		scheme = "http"
	}
	if !to.stripPath {
		matched = ""
	}
	target := upstreamURL(scheme, address, upstreamPath(to.service.path, a.path, to.stripPath, len(matched)), a.query)
	began := time.Now()
	proxy := httputil.ReverseProxy{
		Transport: g.transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL = target
			p.SetXForwarded()
			host, port := splitHost(p.In.Host)
			_, own, _ := net.SplitHostPort(g.address(proxyListener))
			if port == "" {
				port = own
			}
			p.Out.Host = hostHeader(to, address, scheme, p.In.Host)
			p.Out.Header.Set("X-Forwarded-Host", host)
			p.Out.Header.Set("X-Forwarded-Port", port)
			path, _, _ := strings.Cut(p.In.RequestURI, "?")
			p.Out.Header.Set("X-Forwarded-Path", path)
			p.Out.Header.Set("X-Real-IP", clientIP(p.In))
			p.Out.Header.Set("X-Kong-Request-Id", t.requestID)
			p.Out.Header.Set("Via", "1.1 "+g.serverToken())
			if matched != "" && matched != "/" {
				p.Out.Header.Set("X-Forwarded-Prefix", matched)
			}
		},
		ModifyResponse: func(res *http.Response) error {
			t.byService, t.upstream = true, time.Since(began)
			w.Header().Del("Server") // the upstream's own goes through
			w.Header().Del("X-Kong-Request-Id")
			res.Header.Set("X-Kong-Upstream-Latency", "0")
			res.Header.Set("X-Kong-Proxy-Latency", "0")
			res.Header.Set("X-Kong-Request-Id", t.requestID)
			res.Header.Set("Via", "1.1 "+g.serverToken())
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
	proxy.ServeHTTP(w, r)
}

func hostHeader(to *route, address, scheme, asked string) string {
	if to.preserveHost {
		return asked
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
			return host
		}
	}
	return address
}

func requestID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // a stream of HTTP/2 has no connection of its own
	}
	_ = conn.Close()
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
