package agent_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// metered is a route that answers with a status, and the plugin that counts its requests.
func metered(t *testing.T, path string, status int) *snapshot.Snapshot {
	t.Helper()
	id := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	s, err := snapshot.Seal([]snapshot.Entity{
		{Kind: "routes", ID: id(1), Key: path, JSON: fmt.Appendf(nil, `{"id":%q,"name":%q,"paths":["/%s"]}`, id(1), path, path)},
		{Kind: "plugins", ID: id(2), Key: "answer",
			JSON: fmt.Appendf(nil, `{"config":{"status_code":%d},"id":%q,"name":"request-termination","route":{"id":%q}}`, status, id(2), id(1))},
		{Kind: "plugins", ID: id(3), Key: "prometheus", JSON: fmt.Appendf(nil,
			`{"config":{"latency_metrics":true,"status_code_metrics":true},"id":%q,"name":"prometheus"}`, id(3))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The counts of Kong's prometheus plugin reach the registry and the agent's /status.
func TestGatewayTrafficIsReported(t *testing.T) {
	n := newNode(t)
	n.config.SampleInterval = 200 * time.Millisecond
	n.started()
	n.acked(1, 10, nil, metered(t, "broken", http.StatusServiceUnavailable))
	n.until("errors are reported", func() bool {
		for range 50 {
			if code := n.proxied("/broken"); code != http.StatusServiceUnavailable {
				t.Fatalf("the route answers %d", code)
			}
		}
		h := n.controlPlane.LastStatus().GetHealth()
		return h.GetServerErrors() > 0 && h.GetRequests() >= h.GetServerErrors() && h.GetLatencyP99() != nil && h.GetMemoryBytes() > 0
	})
	n.until("the agent shows them", func() bool {
		_, text := asked(t, n.agent.HTTPAddress(), "/status")
		return strings.Contains(text, `"server_errors"`) && strings.Contains(text, `"latency_p99_ns"`)
	})
	n.until("they leave the window", func() bool {
		h := n.agent.Status().Health
		return h != nil && h.Requests != nil && *h.ServerErrors == 0
	})
}
