package agent_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The agent forwards the gateway's metrics unchanged and complete.
func TestGatewayMetricsAreForwarded(t *testing.T) {
	n := newNode(t)
	n.started()
	url := "http://" + n.agent.HTTPAddress() + "/gateway/metrics"
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("%d %v, %v", resp.StatusCode, resp.Header, err)
	}
	for _, metric := range []string{"# TYPE kong_node_info gauge", "kong_nginx_connections_total{"} {
		if !strings.Contains(string(page), metric) {
			t.Errorf("no %q in\n%.2000s", metric, page)
		}
	}
	n.kong.Close()
	if code := status(url); code != http.StatusBadGateway {
		t.Errorf("without a gateway the status is %d", code)
	}
}

func TestAPartialMetricsPageIsAnError(t *testing.T) {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, strings.Repeat("kong_nginx_requests_total 1\n", 1000))
	}))
	t.Cleanup(gateway.Close)
	n := newNode(t)
	n.config.KongStatus = gateway.URL
	n.started()
	resp, err := http.Get("http://" + n.agent.HTTPAddress() + "/gateway/metrics")
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("a partial page was forwarded as a complete one")
	}
}

func TestAGatewayWithoutThePluginHasNoMetrics(t *testing.T) {
	gateway := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gateway.Close)
	n := newNode(t)
	n.config.KongStatus = gateway.URL
	n.started()
	if code := status("http://" + n.agent.HTTPAddress() + "/gateway/metrics"); code != http.StatusNotFound {
		t.Errorf("%d is answered", code)
	}
}

// The page is expensive for a gateway with many routes, so requests are served one at a time.
func TestGatewayMetricsAreReadOnceAtATime(t *testing.T) {
	var asked, together atomic.Int32
	second := make(chan struct{}, 8)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		if asked.Add(1) > 1 {
			together.Store(1)
			second <- struct{}{}
		}
		defer asked.Add(-1)
		select {
		case <-second:
		case <-time.After(100 * time.Millisecond): // long enough for another to come, were it let through
		}
		_, _ = io.WriteString(w, "kong_nginx_requests_total 1\n")
	}))
	t.Cleanup(gateway.Close)
	n := newNode(t)
	n.config.KongStatus = gateway.URL
	n.started()
	url := "http://" + n.agent.HTTPAddress() + "/gateway/metrics"
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { status(url) })
	}
	all.Wait()
	if together.Load() != 0 {
		t.Error("two requests for the metrics at once")
	}
}

// A client that never reads must not block the others.
func TestASlowReaderOfGatewayMetricsIsCutOff(t *testing.T) {
	t.Parallel() // it waits for as long as one answer may take
	var pages atomic.Int32
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		lines := 1
		if pages.Add(1) == 1 {
			lines = 1 << 20 // more than all buffers on the way hold
		}
		page := strings.Repeat("kong_nginx_requests_total 1\n", 1<<10)
		for range max(1, lines>>10) {
			if _, err := io.WriteString(w, page); err != nil {
				return
			}
		}
	}))
	t.Cleanup(gateway.Close)
	n := newNode(t)
	n.config.KongStatus = gateway.URL
	n.started()
	conn, err := net.Dial("tcp", n.agent.HTTPAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /gateway/metrics HTTP/1.1\r\nHost: agent\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	n.until("the gateway is asked", func() bool { return pages.Load() > 0 })
	n.until("another gets the page", func() bool {
		return status("http://"+n.agent.HTTPAddress()+"/gateway/metrics") == http.StatusOK
	})
}
