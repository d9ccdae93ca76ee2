package agent_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The gateway's own page comes through the agent as it is, and never half of it.
func TestTheGatewaysMetricsAreHandedOn(t *testing.T) {
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
		t.Errorf("of a gateway that is gone %d is answered", code)
	}
}

func TestHalfAPageOfMetricsIsNoPage(t *testing.T) {
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
		t.Error("half a page was handed on as a whole one")
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
