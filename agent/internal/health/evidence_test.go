package health

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// counts has the gateway export so many requests, each half of those within 25 ms and within 50 ms.
func (k *fakeKong) counts(good, refused, unavailable int) {
	all := good + refused + unavailable
	text := "# kong\n"
	for _, line := range []struct {
		code, source string
		n            int
	}{{"200", "service", good}, {"401", "kong", refused}, {"503", "kong", unavailable}, {"404", "service", 0}} {
		text += fmt.Sprintf("kong_http_requests_total{service=\"s\",route=\"a\",code=%q,source=%q} %d\n", line.code, line.source, line.n)
	}
	for le, n := range map[string]int{"25": all / 2, "50": all, "+Inf": all} {
		text += fmt.Sprintf("kong_request_latency_ms_bucket{service=\"s\",route=\"a\",le=%q} %d\n", le, n)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.exported = text
}

// newest returns what is published after a time.
func (b *bench) newest(t *testing.T, d time.Duration) Evidence {
	t.Helper()
	pass(d)
	select {
	case e := <-b.Evidence():
		return e
	default:
		t.Fatal("no evidence")
		return Evidence{}
	}
}

func TestEvidenceHasTheIntervalOfTheDistributor(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.kong.set("/health", http.StatusOK)
		b.SetProbes([]fleet.Probe{{Path: "/health", Interval: new(time.Second)}})
		b.kong.counts(1000, 0, 0)
		pass(30 * time.Second)
		select {
		case e := <-b.Evidence():
			t.Fatalf("nobody wants it: %+v", e)
		default:
		}
		b.Observe(time.Second)
		before := b.newest(t, 3*time.Second)
		if !before.CountsRequests || !before.MeasuresLatency || before.Requests != 0 {
			t.Errorf("at the start %+v", before)
		}
		b.kong.counts(1080, 15, 5)
		b.kong.set("/health", http.StatusServiceUnavailable)
		after := b.newest(t, 3*time.Second)
		if after.Requests != 100 || after.Failed != 20 || after.UpstreamFailures != 5 {
			t.Errorf("then %+v", after)
		}
		if fmt.Sprint(after.BoundsMS, after.Counts) != "[25 50] [50 50 0]" {
			t.Errorf("latency %v %v", after.BoundsMS, after.Counts)
		}
		if p := after.Probes; len(p) != 1 || p[0].Failed == 0 || p[0].Sent <= p[0].Failed || p[0].Reason != "status 503" {
			t.Errorf("probes %+v", after.Probes)
		}
		if gap := after.Age - before.Age; gap < 2*time.Second || gap > 4*time.Second {
			t.Errorf("%v lie between them", gap)
		}

		// A restarted gateway counts from zero; evidence never falls.
		b.kong.counts(10, 0, 0)
		again := b.newest(t, 3*time.Second)
		if again.Requests != 110 || again.Failed != 20 {
			t.Errorf("after a restart %+v", again)
		}
		b.Observe(0)
		pass(5 * time.Second)
		select {
		case <-b.Evidence():
		default:
		}
		pass(30 * time.Second)
		select {
		case e := <-b.Evidence():
			t.Errorf("nobody wants it any more: %+v", e)
		default:
		}
	})
}

func TestAGatewayWithoutMetricsGivesNoEvidenceOfRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.Observe(time.Second)
		if e := b.newest(t, 3*time.Second); e.CountsRequests || e.MeasuresLatency || e.Age == 0 {
			t.Errorf("got %+v", e)
		}
		b.kong.counts(0, 0, 0) // the plugin is there now, and counts no request yet
		if e := b.newest(t, 10*time.Second); !e.CountsRequests {
			t.Errorf("a gateway without a request gives %+v", e)
		}
	})
}

func TestHealthIsReportedAsBeforeWhileEvidenceIsWanted(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.kong.stats = func() (gateway.ProcessStats, error) { return gateway.ProcessStats{Workers: "1 "}, nil }
		b.kong.counts(100, 0, 0)
		b.Observe(time.Second)
		pass(time.Minute)
		if h := b.status.View().Health; h == nil || h.Window < 20*time.Second {
			t.Errorf("health covers %+v", h)
		}
	})
}
