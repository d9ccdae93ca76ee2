package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"10": 10 * time.Second, " 3 ": 3 * time.Second, "0": 0, "-5": 0, "soon": 0, "": 0, "1.5": 0,
		"99999999999999999999":          0,
		"86400":                         maxRetryAfter,
		"Mon, 04 May 2026 12:00:30 GMT": 30 * time.Second,
		"Mon, 04 May 2026 11:59:00 GMT": 0,
		"Mon, 04 May 2027 12:00:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// cut answers with a status and a header, and breaks off in the middle of the body.
func cut(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)*2))
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestHalfAnswers(t *testing.T) {
	var refusal *verdict.Refusal
	var failure *verdict.Failure
	if err := serve(t, cut(201, jsonType, `{"services":{`)).Load(t.Context(), nil, false); err != nil {
		t.Errorf("a 201 is a success whatever becomes of its body: %v", err)
	}
	err := serve(t, cut(400, jsonType, `{"code":14,"fields":{"x":`)).Load(t.Context(), nil, false)
	if !errors.As(err, &refusal) || len(refusal.Problems) == 0 {
		t.Errorf("a 400 is a refusal, even without its reasons: %v", err)
	}
	err = serve(t, cut(500, jsonType, `{"message":"An unexp`)).Load(t.Context(), nil, false)
	if !errors.As(err, &failure) || failure.Reason != verdict.GatewayError || failure.Suspect {
		t.Errorf("half a 500 suspects nobody: %#v", err)
	}
	err = serve(t, cut(413, htmlType, "<html>")).Load(t.Context(), nil, false)
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Problems[0].Message, "nginx_admin_client_max_body_size") {
		t.Errorf("half a 413: %v", err)
	}
	headers := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = out.WriteString("HTTP/1.1 201 Created\r\nContent-Ty")
		_ = out.Flush()
		_ = conn.Close()
	})
	if err := headers.Load(t.Context(), nil, false); !errors.As(err, &failure) || failure.Reason != verdict.Unreachable || !failure.Uncertain {
		t.Errorf("half a header may be a 201: %#v", err)
	}
}

func TestF8_TheBodyOf201IsNotWaitedFor(t *testing.T) {
	served := make(chan struct{})
	g := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusCreated)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done(): // the agent closed the connection
		case <-time.After(time.Minute):
			t.Error("the agent waits for the body")
		}
	})
	g.opts.LoadTimeout = 2 * time.Minute
	if err := g.Load(t.Context(), nil, false); err != nil {
		t.Fatal(err)
	}
	<-served
}

func TestF28_OneLoadAtATime(t *testing.T) {
	var posting, most atomic.Int32
	g := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := posting.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer posting.Add(-1)
		_, _ = io.Copy(io.Discard, r.Body)
		<-time.After(5 * time.Millisecond) // time for another one to come
		w.WriteHeader(http.StatusNotModified)
	})
	const loads = 8
	errs := make([]error, loads)
	var all sync.WaitGroup
	for i := range loads {
		all.Go(func() { errs[i] = g.Load(t.Context(), []byte(emptySnapshot), false) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil || most.Load() != 1 {
		t.Errorf("%d posts at a time, %v", most.Load(), err)
	}
}

func TestAWaitingLoadEndsWithItsContext(t *testing.T) {
	g, kong := against(t, kongtest.Options{})
	release := kong.Hang()
	first := make(chan error, 1)
	posted, _ := bytesWithProof(t, "1", 2)
	go func() { first <- g.Load(t.Context(), posted, false) }()
	for kong.Posts() == 0 {
		if _, err := g.Observe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var failure *verdict.Failure
	if err := g.Load(ctx, posted, false); !errors.As(err, &failure) || failure.Reason != verdict.Busy || failure.Uncertain {
		t.Errorf("got %#v", err)
	}
	release()
	if err := <-first; err != nil || kong.Posts() != 1 {
		t.Errorf("%d posts, %v", kong.Posts(), err)
	}
}

// Without Expect: 100-continue the answer would be lost, because the connection breaks while the body is written.
func TestF17_OverTheLimitIsARefusalWhateverTheSize(t *testing.T) {
	for _, limit := range []int64{64 << 10, 1 << 20} {
		g, kong := against(t, kongtest.Options{BodyLimit: limit})
		for _, size := range []int64{limit + 1, 2 << 20, 20 << 20} {
			var refusal *verdict.Refusal
			err := g.Load(t.Context(), bytes.Repeat([]byte(" "), int(size)), false)
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Problems[0].Message, "nginx_admin_client_max_body_size") {
				t.Errorf("%d bytes over a limit of %d: %#v", size, limit, err)
			}
		}
		if kong.BytesReceived() != 0 || kong.Posts() != 3 {
			t.Errorf("%d bytes were sent in %d posts; there is nothing to ask again for", kong.BytesReceived(), kong.Posts())
		}
	}
}

func TestBodyLimitIsReadWhereItIsVisible(t *testing.T) {
	for size, want := range map[string]int64{
		`"10m"`: 10 << 20, `"0"`: 0, `0`: 0, `"512k"`: 512 << 10, `"1G"`: 1 << 30, `1048576`: 1 << 20, `"x"`: defaultBodyLimit,
		`null`: defaultBodyLimit,
	} {
		c, err := parseRoot([]byte(`{"version":"3.9.3","configuration":{"nginx_admin_client_max_body_size":` + size + `}}`))
		if err != nil || c.BodyLimit != want {
			t.Errorf("%s: got %d, %v", size, c.BodyLimit, err)
		}
	}
	for _, limit := range []int64{0, 12345, -1} {
		g, _ := against(t, kongtest.Options{BodyLimit: limit})
		want := limit
		if limit == 0 {
			want = defaultBodyLimit
		}
		if c, err := g.Capabilities(t.Context()); err != nil || c.BodyLimit != max(want, 0) {
			t.Errorf("%d: %+v, %v", limit, c, err)
		}
	}
}

func TestWhatTheGatewayIs(t *testing.T) {
	g, kong := against(t, kongtest.Options{Workers: 3, RouterFlavor: "expressions", Plugins: []string{"pre-function", "key-auth"}})
	c, err := g.Capabilities(t.Context())
	if err != nil || c.KongVersion != kongtest.KongVersion || c.Edition != "community" || c.Workers != 3 || c.RouterFlavor != "expressions" ||
		c.UntrustedLua != "sandbox" || len(c.Plugins) != 2 || c.Plugins["key-auth"] != kongtest.KongVersion ||
		strings.Join(c.Vaults, " ") != "env" {
		t.Errorf("got %+v, %v", c, err)
	}
	before := c.Fingerprint()
	if err := kong.Upgrade(t.Context(), "3.10.0"); err != nil {
		t.Fatal(err)
	}
	if c, err = g.Capabilities(t.Context()); err != nil || c.KongVersion != "3.10.0" || c.Fingerprint() == before {
		t.Errorf("after an upgrade: %+v, %v", c, err)
	}
	// Older gateways name no processes, and "auto" is no number: then the answers of the reserved route say how many there are.
	for processes, want := range map[string]int{`"auto"`: 0, `4`: 4, `"4"`: 4} {
		c, err := parseRoot([]byte(`{"version":"3.4.2","configuration":{"nginx_worker_processes":` + processes + `}}`))
		if err != nil || c.Workers != want {
			t.Errorf("%s: %+v, %v", processes, c, err)
		}
	}
}
