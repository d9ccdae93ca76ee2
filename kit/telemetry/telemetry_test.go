package telemetry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/telemetry"
)

func TestHTTP(t *testing.T) {
	ready := errors.New("no leader seen yet")
	h, err := telemetry.Listen(telemetry.HTTPConfig{Listen: "127.0.0.1:0"}, telemetry.NewMetrics(), nil, func() error { return ready })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx) }()
	get := func(path string) (int, string) {
		answer, err := http.Get("http://" + h.Address() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("/healthz is %d", code)
	}
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "no leader") {
		t.Errorf("/readyz is %d %q", code, body)
	}
	if _, body := get("/metrics"); !strings.Contains(body, "silverback_build_info") {
		t.Error("/metrics has no build info")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Address()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Large", strings.Repeat("x", 32<<10))
	if answer, err := http.DefaultClient.Do(request); err != nil || answer.Body.Close() != nil ||
		answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("32 KiB of headers are answered %v, %v", answer, err)
	}
	if code, _ := get("/debug/pprof/"); code != 200 {
		t.Errorf("pprof on loopback is %d", code)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve returned %v", err)
	}
}

func TestAReadyProcessMayWarn(t *testing.T) {
	h, err := telemetry.Listen(telemetry.HTTPConfig{Listen: "127.0.0.1:0"}, telemetry.NewMetrics(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	warning := ""
	h.Warning = func() string { return warning }
	for _, want := range []string{"ok\n", "ok\nnobody answers\n"} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if got := answer.Body.String(); answer.Code != http.StatusOK || got != want {
			t.Errorf("/readyz is %d %q, want %q", answer.Code, got, want)
		}
		warning = "nobody answers"
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = h.Serve(ctx) // closes the listener
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "0.0.0.0:1": false, ":1": false,
		"10.0.0.1:1": false} {
		if telemetry.Loopback(address) != want {
			t.Errorf("Loopback(%q) = %v", address, !want)
		}
	}
}

func TestListenersBeyondLoopbackAreMeant(t *testing.T) {
	for _, c := range []telemetry.HTTPConfig{{Listen: "127.0.0.1:1"}, {Listen: "0.0.0.0:1", Insecure: true}} {
		if err := c.Check(); err != nil {
			t.Errorf("%+v is refused: %v", c, err)
		}
	}
	for _, c := range []telemetry.HTTPConfig{{Listen: "0.0.0.0:1"}, {Listen: "nowhere"}, {Listen: "127.0.0.1:1", CertFile: "alone.crt"}} {
		if c.Check() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestLoggerRefusesUnknownSettings(t *testing.T) {
	for _, c := range []telemetry.LogConfig{{Format: "xml"}, {Level: "loud"}} {
		if _, err := telemetry.NewLogger(io.Discard, c); err == nil {
			t.Errorf("NewLogger(%+v) accepted it", c)
		}
	}
}
