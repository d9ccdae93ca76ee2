package kongtest_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

func TestMetricsCountProxiedRequests(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte("hello"))
	}))
	defer upstream.Close()
	_, port, _ := net.SplitHostPort(upstream.Listener.Addr().String())
	g := kongtest.Start(t, kongtest.SwitchAfter(0), kongtest.Workers(2))
	mustPost(t, g, fmt.Sprintf(`{"_format_version":"3.0",
		"services":[{"name":"s","url":"http://127.0.0.1:%s","routes":[{"name":"r","paths":["/r"]},{"name":"silent","paths":["/silent"],
			"plugins":[{"name":"prometheus"}]}]}],
		"routes":[{"id":"11111111-1111-4111-8111-111111111111","paths":["/keyed"],"plugins":[{"name":"key-auth"},`+
		`{"name":"request-termination","config":{"status_code":204}}]}],
		"consumers":[{"username":"u","keyauth_credentials":[{"key":"k"}]}],
		"plugins":[{"name":"prometheus","config":{"status_code_metrics":true,"latency_metrics":true,"bandwidth_metrics":true,`+
		`"per_consumer":true}}]}`, port))
	for path, n := range map[string]int{"/r": 3, "/r/bad": 2, "/silent": 1, "/keyed": 1, "/keyed?apikey=k": 2, "/nosuch": 1} {
		for range n {
			get(t, g.ProxyURL()+path)
		}
	}
	for _, at := range []string{g.StatusURL(), g.AdminURL()} {
		page := string(get(t, at+"/metrics").body)
		for _, want := range []string{
			`kong_http_requests_total{service="s",route="r",code="200",source="service",workspace="default",consumer=""} 3`,
			`kong_http_requests_total{service="s",route="r",code="500",source="service",workspace="default",consumer=""} 2`,
			`kong_http_requests_total{service="",route="11111111-1111-4111-8111-111111111111",code="401",source="kong",workspace="default",` +
				`consumer=""} 1`,
			`kong_http_requests_total{service="",route="11111111-1111-4111-8111-111111111111",code="204",source="kong",workspace="default",` +
				`consumer="u"} 2`,
			`kong_bandwidth_bytes{service="s",route="r",direction="egress",workspace="default",consumer=""} 25`,
			`kong_request_latency_ms_count{service="s",route="r",workspace="default"} 5`,
			`kong_upstream_latency_ms_bucket{service="s",route="r",workspace="default",le="+Inf"} 5`,
			`kong_kong_latency_ms_bucket{service="s",route="r",workspace="default",le="6000"} 5`,
			"# TYPE kong_kong_latency_ms histogram", "# TYPE kong_http_requests_total counter",
			"kong_nginx_connections_total{node_id=", "kong_nginx_requests_total{node_id=", `version="3.9.3"} 1`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("no %s", want)
			}
		}
		if n := strings.Count(page, "kong_memory_workers_lua_vms_bytes{"); n != 2 {
			t.Errorf("memory of %d workers, want 2", n)
		}
		for _, not := range []string{`route="silent"`, `code="404"`} {
			if strings.Contains(page, not) {
				t.Errorf("%s was counted", not)
			}
		}
	}
	if err := g.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page := string(get(t, g.StatusURL()+"/metrics").body); strings.Contains(page, "kong_http_requests_total") ||
		!strings.Contains(page, "kong_node_info") {
		t.Errorf("a restart keeps the gauges only:\n%s", page)
	}
}

func TestMetricsNeedThePlugin(t *testing.T) {
	g := kongtest.Start(t, kongtest.With(kongtest.Options{Plugins: []string{"key-auth"}}))
	expect(t, get(t, g.StatusURL()+"/metrics"), 404, "Not found")
}
