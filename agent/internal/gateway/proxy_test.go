package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// asked starts a proxy that answers with handler, and a gateway in front of it.
func asked(t *testing.T, start func(http.Handler) *httptest.Server, handler http.HandlerFunc) *Gateway {
	t.Helper()
	server := start(handler)
	t.Cleanup(server.Close)
	g, err := New(Options{Admin: server.URL, Proxy: server.URL, Status: server.URL, LoadTimeout: time.Minute, ProofTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestProxyGetSendsAClientsRequest(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{"plain": httptest.NewServer, "TLS": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan *http.Request, 2)
			g := asked(t, start, func(w http.ResponseWriter, r *http.Request) {
				seen <- r
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			})
			status, err := g.ProxyGet(t.Context(), ProxyRequest{Path: "/health?deep=1", Host: "shop.example",
				Headers: map[string]string{"X-Probe": "1"}})
			if err != nil || status != http.StatusFound {
				t.Fatalf("status %d, %v", status, err)
			}
			r := <-seen
			if r.Host != "shop.example" || r.URL.RequestURI() != "/health?deep=1" || r.Header.Get("X-Probe") != "1" || r.Method != http.MethodGet {
				t.Errorf("the gateway saw %s %s of %s, %v", r.Method, r.URL, r.Host, r.Header)
			}
			if name == "TLS" && r.TLS.ServerName != "shop.example" {
				t.Errorf("a certificate for %q was asked for", r.TLS.ServerName)
			}
			if _, err := g.ProxyGet(t.Context(), ProxyRequest{Path: "/"}); err != nil {
				t.Error(err)
			}
			if r := <-seen; r.Host == "shop.example" || r.Host == "" {
				t.Errorf("without a host the gateway saw %q", r.Host)
			}
			if len(seen) > 0 {
				t.Error("a redirect was followed")
			}
		})
	}
}

func TestProxyGetDoesNotReadBodies(t *testing.T) {
	released := make(chan struct{})
	g := asked(t, httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done() // ends when the client goes away, and no body before
		close(released)
	})
	if status, err := g.ProxyGet(t.Context(), ProxyRequest{Path: "/"}); err != nil || status != http.StatusOK {
		t.Errorf("status %d, %v", status, err)
	}
	<-released
}

func TestProxyGetEndsWithItsContext(t *testing.T) {
	g := asked(t, httptest.NewServer, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := g.ProxyGet(ctx, ProxyRequest{Path: "/hunter2"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestProcessStatsAndMetrics(t *testing.T) {
	there := true
	g := asked(t, httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/status":
			w.Header().Set("Content-Type", "application/json")
			_,
				_ = io.WriteString(w,
				`{"server":{"connections_active":7},"memory":{"workers_lua_vms":[{"pid":12,"http_allocated_gc":"49.50 MiB"},{"pid":13,`+
					`"http_allocated_gc":"512.00 KiB"}]}}`)
		case r.URL.Path == "/metrics" && there:
			_, _ = io.WriteString(w, "kong_http_requests_total 1\n")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	v, err := g.ProcessStats(t.Context())
	if err != nil || v.Connections != 7 || v.Memory != 50<<20 || v.Workers != "12 13 " {
		t.Errorf("got %+v, %v", v, err)
	}
	read := func(from io.Reader) error { _, err := io.Copy(io.Discard, from); return err }
	if found, err := g.Metrics(t.Context(), read); err != nil || !found {
		t.Errorf("metrics found %v, %v", found, err)
	}
	there = false
	if found, err := g.Metrics(t.Context(), read); err != nil || found {
		t.Errorf("without the plugin found %v, %v", found, err)
	}
}
