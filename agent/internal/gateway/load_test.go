package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kong/proof"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func serve(t *testing.T, h http.HandlerFunc) *Gateway {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := New(Options{Admin: srv.URL + "/", Proxy: srv.URL, TokenFile: token, LoadTimeout: time.Minute, ProofTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

const jsonType, htmlType = "application/json; charset=utf-8", "text/html; charset=UTF-8"

func TestEveryAnswerHasItsHandling(t *testing.T) {
	tests := []struct {
		name      string
		code      int
		kind      string
		body      string
		header    string // Retry-After
		refused   string // a part of the first problem; empty: not a refusal
		reason    verdict.Reason
		suspect   bool
		wait      time.Duration
		succeeded bool
	}{
		{name: "created", code: 201, kind: jsonType, body: `{"services":{`, succeeded: true},
		{name: "not modified", code: 304, succeeded: true},
		{name: "refused", code: 400, kind: jsonType, body: `{"fields":{"x":"unknown field"},"flattened_errors":{}}`, refused: "unknown field"},
		{name: "a bad request of nginx", code: 400, kind: htmlType, body: "<html>", reason: verdict.GatewayError},
		{name: "over the limit of a request", code: 413, kind: htmlType, body: "<html>", refused: "nginx_admin_client_max_body_size"},
		{name: "over the size of the map", code: 413, kind: jsonType, body: `{"message":"Configuration does not fit in LMDB database"}`,
			refused: "lmdb_map_size"},
		{name: "a type it does not take", code: 415, kind: htmlType, body: "<html>", reason: verdict.GatewayError},
		{name: "busy", code: 429, kind: jsonType, body: `{"message":"Currently loading previous configuration"}`, header: "10",
			reason: verdict.Busy, wait: 10 * time.Second},
		{name: "busy with a header that is no number", code: 429, kind: jsonType, header: "soon", reason: verdict.Busy},
		{name: "an error that may be the configuration's", code: 500, kind: jsonType, body: `{"message":"An unexpected error occurred"}`,
			reason: verdict.GatewayError, suspect: true},
		{name: "another error", code: 500, kind: htmlType, body: "<html>", reason: verdict.GatewayError},
		{name: "away behind a proxy", code: 502, kind: htmlType, body: "<html>", reason: verdict.GatewayError},
		{name: "wants another token", code: 401, kind: jsonType, reason: verdict.GatewayError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Content-Type") != "text/yaml" || r.URL.Query().Get("check_hash") != "1" ||
					r.Header.Get("Kong-Admin-Token") != "t0ken" || r.URL.Path != "/config" {
					t.Errorf("request %s %v", r.URL, r.Header)
				}
				w.Header().Set("Content-Type", tt.kind)
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.code)
				_, _ = w.Write([]byte(tt.body))
			})
			err := g.Load(t.Context(), []byte("{}"), false)
			var refusal *verdict.Refusal
			var failure *verdict.Failure
			switch {
			case tt.succeeded:
				if err != nil {
					t.Errorf("got %v", err)
				}
			case tt.refused != "":
				if !errors.As(err, &refusal) || !strings.Contains(refusal.Problems[0].Message, tt.refused) {
					t.Errorf("got %v, want a refusal with %q", err, tt.refused)
				}
			default:
				if !errors.As(err, &failure) || failure.Reason != tt.reason || failure.Suspect != tt.suspect || failure.RetryAfter != tt.wait {
					t.Errorf("got %#v", err)
				}
			}
		})
	}
}

func TestReasonsThatFlatteningLosesAreAskedForAgain(t *testing.T) {
	g := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusBadRequest)
		body := `{"fields":{"routes":{"r":["invalid reference 'service: x' (no such entry in 'services')"]}},"message":"m"}`
		if r.URL.Query().Get("flatten_errors") == "1" {
			body = `{"fields":{},"flattened_errors":{},"message":"declarative config is invalid: {}"}`
		}
		_, _ = w.Write([]byte(body))
	})
	var refusal *verdict.Refusal
	if err := g.Load(t.Context(), nil, false); !errors.As(err, &refusal) || refusal.Problems[0].Kind != "route" ||
		refusal.Problems[0].Name != "r" {
		t.Errorf("got %v", err)
	}
}

func TestNoAnswer(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := "http://" + closed.Addr().String()
	_ = closed.Close()
	g, err := New(Options{Admin: away, Proxy: away, LoadTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var failure *verdict.Failure
	if err := g.Load(t.Context(), nil, false); !errors.As(err, &failure) || failure.Reason != verdict.Unreachable || failure.Uncertain {
		t.Errorf("refused connection: %#v", err)
	}
	g = serve(t, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	if err := g.Load(t.Context(), nil, false); !errors.As(err, &failure) || failure.Reason != verdict.Unreachable || !failure.Uncertain {
		t.Errorf("broken connection: %#v", err)
	}
	release := make(chan struct{})
	g = serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	// On a busy machine the time may be over before there is a connection, and then nothing is uncertain: it gets longer until there was one.
	for g.opts.LoadTimeout = 20 * time.Millisecond; g.opts.LoadTimeout < time.Minute; g.opts.LoadTimeout *= 2 {
		if err = g.Load(t.Context(), nil, false); errors.As(err, &failure) && failure.Reason == verdict.Timeout {
			break
		}
	}
	if !errors.As(err, &failure) || failure.Reason != verdict.Timeout || !failure.Uncertain {
		t.Errorf("timeout: %#v", err)
	}
}

func TestCapabilities(t *testing.T) {
	root := func(untrusted, plugins string) string {
		return fmt.Sprintf(`{"version":"3.9.3","edition":"community","pids":{"workers":[1,2]},"plugins":{"available_on_server":{%s}},
			"configuration":{"router_flavor":"expressions","untrusted_lua":%q,"nginx_admin_client_max_body_size":"20m"}}`, plugins, untrusted)
	}
	const all = `"pre-function":{"version":"3.9.3"},"request-termination":{"version":"3.9.3"},"ip-restriction":true`
	for _, tt := range []struct {
		body string
		want proof.Form
	}{
		{root("sandbox", all), proof.Worker},
		{root("off", all), proof.Route},
		{root("on", `"key-auth":true`), proof.None},
	} {
		c, err := parseRoot([]byte(tt.body))
		if err != nil || c.Best() != tt.want || c.Workers != 2 || c.BodyLimit != 20<<20 || !c.Options().Expressions {
			t.Errorf("%s: %+v, %v, %v", tt.body, c, c.Best(), err)
		}
	}
	if _, err := parseRoot([]byte(`<html>`)); err == nil {
		t.Error("a page is no gateway")
	}
	a, _ := parseRoot([]byte(root("on", all)))
	b, _ := parseRoot([]byte(root("on", `"key-auth":true`)))
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("other plugins may judge differently")
	}
}

func TestProveEndsWithItsTimeout(t *testing.T) {
	prove := func(within time.Duration) (asked int32, err error) {
		var questions atomic.Int32
		g := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if questions.Add(1) > 1 {
				<-r.Context().Done() // the end of the time cuts this one off
				return
			}
			w.WriteHeader(http.StatusNotFound)
		})
		g.opts.ProofTimeout = within
		_, err = g.Prove(context.Background(), Claim{Digest: "d", Hash: "h", Form: proof.Worker, Workers: 1, Grace: time.Hour})
		return questions.Load(), err
	}
	// A time in which nothing was answered, as on a busy machine, has nothing to tell: it gets longer until there was a second question.
	within := 100 * time.Millisecond
	asked, err := prove(within)
	for asked < 2 && within < time.Minute {
		within *= 2
		asked, err = prove(within)
	}
	var failure *verdict.Failure
	if !errors.As(err, &failure) || failure.Reason != verdict.NotProven || !strings.Contains(failure.Message, "404") {
		t.Errorf("got %v", err)
	}
}
