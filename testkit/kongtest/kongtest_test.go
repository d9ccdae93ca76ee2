package kongtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) message() string {
	var said struct{ Message string }
	_ = json.Unmarshal(r.body, &said)
	return said.Message
}

// fresh makes a client that opens a new connection for each request.
func fresh(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func ask(tb testing.TB, method, url, body string, header ...string) reply {
	tb.Helper()
	got, err := try(tb, method, url, body, header...)
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func try(tb testing.TB, method, url, body string, header ...string) (reply, error) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := fresh(tb).Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, header: res.Header, body: content}, err
}

func post(tb testing.TB, g *kongtest.Gateway, text string) reply {
	tb.Helper()
	return ask(tb, http.MethodPost, g.AdminURL()+"/config?check_hash=1&flatten_errors=1", text, "Content-Type", "text/yaml")
}

func mustPost(tb testing.TB, g *kongtest.Gateway, text string) {
	tb.Helper()
	if got := post(tb, g, text); got.status != http.StatusCreated {
		tb.Fatalf("post: got %d %s", got.status, got.body)
	}
}

func get(tb testing.TB, url string, header ...string) reply {
	tb.Helper()
	return ask(tb, http.MethodGet, url, "", header...)
}

func expect(tb testing.TB, got reply, status int, text string) {
	tb.Helper()
	if got.status != status || text != "" && got.message() != text {
		tb.Errorf("got %d %q, want %d %q", got.status, got.body, status, text)
	}
}

// terminating is a configuration whose one route answers a word.
func terminating(word string) string {
	return fmt.Sprintf(
		`{"_format_version":"3.0","routes":[{"name":"r","paths":["/"],"plugins":[{"name":"request-termination","config":{"status_code":200,`+
			`"message":%q}}]}]}`, word)
}

// echo is a service that tells what reached it.
func echo(tb testing.TB) *httptest.Server {
	tb.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen-Path", r.URL.Path)
		w.Header().Set("X-Seen-Host", r.Host)
		w.Header().Set("X-Seen-Prefix", r.Header.Get("X-Forwarded-Prefix"))
		_, _ = io.Copy(w, r.Body)
	}))
	tb.Cleanup(srv.Close)
	return srv
}

func restart(tb testing.TB, g *kongtest.Gateway) {
	tb.Helper()
	if err := g.Restart(context.WithoutCancel(tb.Context())); err != nil {
		tb.Fatal(err)
	}
}

func contains(tb testing.TB, got []byte, want string) {
	tb.Helper()
	if !bytes.Contains(got, []byte(want)) {
		tb.Errorf("%q is not in %s", want, got)
	}
}
