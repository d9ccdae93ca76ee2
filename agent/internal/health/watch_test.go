package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// fakeKong answers as the test sets its fields.
type fakeKong struct {
	mu       sync.Mutex
	answers  map[string]int // status by host and path; 0 never comes
	asked    map[string]int
	stats    func() (gateway.ProcessStats, error)
	exported string // empty: none
}

func (k *fakeKong) set(name string, status int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers[name] = status
}

func (k *fakeKong) times(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked[name]
}

func (k *fakeKong) ProxyGet(ctx context.Context, q gateway.ProxyRequest) (int, error) {
	k.mu.Lock()
	status := k.answers[q.Host+q.Path]
	k.asked[q.Host+q.Path]++
	k.mu.Unlock()
	if status == 0 {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if status < 0 {
		return 0, errors.New("connection refused")
	}
	return status, nil
}

func (k *fakeKong) ProcessStats(context.Context) (gateway.ProcessStats, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats()
}

func (k *fakeKong) Metrics(_ context.Context, read func(io.Reader) error) (bool, error) {
	k.mu.Lock()
	text := k.exported
	k.mu.Unlock()
	if text == "" {
		return false, nil
	}
	return true, read(strings.NewReader(text))
}

type meters struct{}

func (meters) Probed(bool) {}

// bench runs a watch in a bubble of its own time.
type bench struct {
	*Watch
	kong   *fakeKong
	status *status.Tracker
}

func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{status: status.New(status.View{Proven: true, GatewayReady: true}), kong: &fakeKong{
			answers: map[string]int{}, asked: map[string]int{},
			stats: func() (gateway.ProcessStats, error) {
				return gateway.ProcessStats{Workers: "1 ", Memory: 47<<20 + rand.N(int64(8<<20)), Connections: 1 + rand.N(int64(3))}, nil
			},
		}}
		b.Watch = New(Deps{Gateway: b.kong, Status: b.status, Meters: meters{}, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = b.Run(ctx) }()
		test(t, b)
		cancel()
		<-done
	})
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// sampled waits until the gateway was sampled once more.
func (b *bench) sampled() *fleet.Health {
	before := b.status.View().Health
	for b.status.View().Health == before {
		pass(100 * time.Millisecond)
	}
	return b.status.View().Health
}

func (b *bench) condition() string {
	for _, c := range b.status.View().Conditions {
		if c.Type == probeFailing {
			return c.Message
		}
	}
	return ""
}

func TestAProbeThatFailsIsSeenAndDamped(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.kong.set("shop/health", http.StatusOK)
		b.SetProbes([]fleet.Probe{{Path: "/health", Host: "shop", Readiness: true, Interval: new(time.Second)}})
		pass(5 * time.Second)
		if v := b.status.View(); !v.Serving() || len(v.Probes) != 1 || !v.Probes[0].Asked {
			t.Fatalf("a good probe: %+v", v)
		}
		reported := b.status.View().Reported
		if reported == nil || len(reported.Probes) != 1 || reported.Probes[0].Failing {
			t.Fatalf("the registry is reported %+v", reported)
		}
		b.kong.set("shop/health", http.StatusServiceUnavailable)
		pass(1100 * time.Millisecond)
		if v := b.status.View(); !v.Serving() {
			t.Error("one failure took the node out")
		}
		pass(3 * time.Second)
		v := b.status.View()
		if v.Serving() || b.condition() != "/health of shop: status 503" {
			t.Errorf("after three failures: %q, condition %q", v.Unready(), b.condition())
		}
		if !v.Reported.Probes[0].Failing {
			t.Error("the registry is not reported at once")
		}
		b.kong.set("shop/health", 0)
		pass(15 * time.Second)
		if b.condition() != "/health of shop: timeout" {
			t.Errorf("a gateway that hangs: %q", b.condition())
		}
		b.kong.set("shop/health", http.StatusOK)
		pass(5 * time.Second)
		v = b.status.View()
		if !v.Serving() || b.condition() != "" {
			t.Errorf("after it recovered: %q, condition %q", v.Unready(), b.condition())
		}
		if len(v.Events) != 2 || v.Events[0].Type != "ProbeFailing" || v.Events[1].Type != "ProbeGood" {
			t.Errorf("events %+v", v.Events)
		}
	})
}

func TestTheFirstResultOfAProbeCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.status.Update(func(v *status.View) { v.Proven = false })
		b.kong.set("/health", -1)
		b.SetProbes([]fleet.Probe{{Path: "/health", Readiness: true}})
		pass(time.Minute)
		if n := b.kong.times("/health"); n > 0 {
			t.Errorf("asked %d times before anything was proven", n)
		}
		b.status.Update(func(v *status.View) { v.Proven = true })
		if v := b.status.View(); !v.Serving() {
			t.Errorf("a probe that was never asked holds the node back: %q", v.Unready())
		}
		pass(2 * time.Second)
		if v := b.status.View(); v.Serving() || b.condition() != "/health: no answer" {
			t.Errorf("after the first failure: %q, condition %q", v.Unready(), b.condition())
		}
	})
}

func TestProbesThatChange(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.kong.set("/a", http.StatusOK)
		b.kong.set("/b", http.StatusNotFound)
		b.SetProbes([]fleet.Probe{{Path: "/a"}, {Path: "/b"}})
		pass(time.Minute)
		if b.condition() != "/b: status 404" || !b.status.View().Serving() {
			t.Errorf("condition %q, unready %q", b.condition(), b.status.View().Unready())
		}
		before := b.kong.times("/a")
		b.SetProbes([]fleet.Probe{{Path: "/a"}})
		pass(time.Second)
		gone := b.kong.times("/b")
		pass(time.Minute)
		if b.kong.times("/b") != gone || b.condition() != "" || len(b.status.View().Probes) != 1 {
			t.Errorf("the probe that is gone was asked on, condition %q, probes %+v", b.condition(), b.status.View().Probes)
		}
		if n := b.kong.times("/a") - before; n < 10 || n > 15 {
			t.Errorf("the probe that stays was asked %d times in a minute", n)
		}
		b.SetProbes([]fleet.Probe{{Path: "/a", Expect: http.StatusNoContent}})
		pass(2 * time.Second)
		if b.condition() != "/a: status 200" {
			t.Errorf("with another expectation: %q", b.condition())
		}
	})
}

func export(requests, errors int) string {
	return fmt.Sprintf("kong_http_requests_total{code=\"200\"} %d\nkong_http_requests_total{code=\"503\"} %d\n"+
		"kong_request_latency_ms_bucket{le=\"25\"} %d\nkong_request_latency_ms_bucket{le=\"+Inf\"} %d\n", requests-errors, errors, requests,
		requests)
}

func (k *fakeKong) export(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.exported = text
}

func TestTrafficIsSampled(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.kong.export(export(1000, 10))
		if h := b.sampled(); h == nil || h.Requests != nil || h.MemoryBytes == 0 {
			t.Errorf("one sample tells %+v", h)
		}
		b.kong.export(export(1300, 40))
		h := b.sampled()
		if h == nil || h.Requests == nil || *h.Requests != 300 || *h.ServerErrors != 30 || *h.LatencyP50 < 12*time.Millisecond ||
			*h.LatencyP50 > 13*time.Millisecond {
			t.Fatalf("the window tells %+v", h)
		}
		pass(time.Minute)
		if h := b.sampled(); *h.Requests != 0 || *h.ServerErrors != 0 || h.Window != 30*time.Second {
			t.Errorf("after the window passed: %d requests in %v", *h.Requests, h.Window)
		}
		b.kong.export(export(20, 1)) // restarted
		if h := b.sampled(); *h.Requests != 20 {
			t.Errorf("after a restart %d requests", *h.Requests)
		}
		b.kong.export("")
		if h := b.sampled(); h.Requests != nil {
			t.Errorf("without the plugin %d requests", *h.Requests)
		}
	})
}

func TestWorkersThatRestartAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		set := func(workers string, err error) {
			b.kong.mu.Lock()
			defer b.kong.mu.Unlock()
			b.kong.stats = func() (gateway.ProcessStats, error) {
				return gateway.ProcessStats{Workers: workers, Memory: 50 << 20}, err
			}
		}
		set("1 2 ", nil)
		b.sampled()
		set("1 3 ", nil)
		b.sampled()
		set("", errors.New("away"))
		pass(time.Minute)
		set("7 8 ", nil)
		if h := b.sampled(); h.WorkerRestarts != 2 {
			t.Errorf("counted %d restarts", h.WorkerRestarts)
		}
	})
}

// Memory and connections of an idle gateway change all the time. That is not reported.
func TestAnIdleGatewayIsNotReported(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		n := 0
		b.kong.set("/health", http.StatusOK)
		b.SetProbes([]fleet.Probe{{Path: "/health"}})
		idle := func(times int) {
			for range times {
				n += 2 // the probes themselves
				b.kong.export(export(n, 0))
				pass(10 * time.Second)
			}
		}
		idle(12)
		reported := b.status.View().Reported
		idle(360)
		if now := b.status.View().Reported; now == nil || now != reported {
			t.Errorf("in an hour of idleness %+v became %+v", reported, now)
		}
		if b.kong.times("/health") < 600 {
			t.Errorf("asked %d times", b.kong.times("/health"))
		}
	})
}
