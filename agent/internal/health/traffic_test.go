package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/shared"
)

const exported = `# HELP kong_http_requests_total HTTP status codes per consumer/service/route in Kong
# TYPE kong_http_requests_total counter
kong_http_requests_total{service="s",route="a \"b\" {c}",code="200",source="service",workspace="default",consumer=""} 90
kong_http_requests_total{service="s",route="a",code="502",source="kong",workspace="default",consumer=""} 7
kong_http_requests_total{service="s",route="b",code="500",source="service",workspace="default",consumer="u"} 3
kong_http_requests_total{service="",route="silverback-proof",code="200",source="exit",workspace="default",consumer=""} 4000
kong_request_latency_ms_bucket{service="",route="silverback-proof",workspace="default",le="25"} 4000
kong_kong_latency_ms_bucket{service="s",route="a",workspace="default",le="1"} 77
kong_request_latency_ms_bucket{service="s",route="a",workspace="default",le="25"} 40
kong_request_latency_ms_bucket{service="s",route="a",workspace="default",le="50"} 50
kong_request_latency_ms_bucket{service="s",route="a",workspace="default",le="+Inf"} 60
kong_request_latency_ms_bucket{service="s",route="b",workspace="default",le="25"} 10
kong_request_latency_ms_bucket{service="s",route="b",workspace="default",le="50"} 39
kong_request_latency_ms_bucket{service="s",route="b",workspace="default",le="+Inf"} 40
kong_request_latency_ms_count{service="s",route="a",workspace="default"} 60
kong_request_latency_ms_sum{service="s",route="a",workspace="default"} 600
kong_nginx_connections_total{node_id="n",subsystem="http",state="active"} 2
`

func TestReadSample(t *testing.T) {
	s, err := ReadSample(strings.NewReader(exported))
	if err != nil {
		t.Fatal(err)
	}
	want := []Bucket{{25, 50}, {50, 89}, {math.Inf(1), 100}}
	if !s.Counted || s.Requests != 100 || s.Errors != 10 || fmt.Sprint(s.Buckets) != fmt.Sprint(want) {
		t.Errorf("got %+v, want buckets %v", s, want)
	}
	if s, err := ReadSample(strings.NewReader("kong_datastore_reachable 1\n")); err != nil || s.Counted || len(s.Buckets) > 0 {
		t.Errorf("a plugin that counts no requests gives %+v, %v", s, err)
	}
	if s, err := ReadSample(strings.NewReader(strings.Repeat(exported, 2000))); err != nil || s.Requests != 200_000 {
		t.Errorf("in many batches %v requests, %v", s.Requests, err)
	}
}

func TestReadSampleRefusesOtherText(t *testing.T) {
	for name, text := range map[string]string{
		"a broken line": `kong_http_requests_total{code="hunter2`,
		"HTML":          "<html>\n" + `kong_http_requests_total{code="200"} hunter2`,
		"a long line":   `kong_http_requests_total{code="` + strings.Repeat("hunter2", 10_000) + `"} 1`,
	} {
		if _, err := ReadSample(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	endless := endlessLines{}
	if _, err := ReadSample(endless); !errors.Is(err, ErrTooLarge) {
		t.Errorf("without an end: %v", err)
	}
}

type endlessLines struct{}

func (endlessLines) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "#comment\n"[i%9]
	}
	return len(p), nil
}

func TestReadSampleOfARecordedGateway(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(shared.Dir(t), "kong-contract", "node", "metrics.json"))
	if err != nil {
		t.Fatal(err)
	}
	var recorded []struct {
		Response struct{ Body string }
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	for _, r := range recorded {
		s, err := ReadSample(strings.NewReader(r.Response.Body))
		if err != nil || !s.Counted || s.Requests != 9 || s.Errors != 0 || len(s.Buckets) == 0 || s.Buckets[len(s.Buckets)-1].Count != 9 {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func FuzzReadSample(f *testing.F) {
	f.Add(exported)
	f.Add("kong_http_requests_total 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadSample(io.LimitReader(strings.NewReader(text), 1<<20))
		if err != nil {
			return
		}
		step := Between(Sample{}, s)
		step.Quantile(0.99)
	})
}

func TestStepsBetweenSamples(t *testing.T) {
	at := time.Unix(0, 0)
	before := Sample{At: at, Counted: true, Requests: 100, Errors: 10, Buckets: []Bucket{{25, 50}, {math.Inf(1), 100}}}
	after := Sample{At: at.Add(10 * time.Second), Counted: true, Requests: 160, Errors: 12, Buckets: []Bucket{{25, 80}, {math.Inf(1), 160}}}
	if s := Between(before, after); s.Requests != 60 || s.Errors != 2 || s.Buckets[0].Count != 30 || s.Buckets[1].Count != 60 {
		t.Errorf("got %+v", s)
	}
	restarted := Sample{At: after.At, Counted: true, Requests: 20, Errors: 1, Buckets: []Bucket{{25, 20}, {math.Inf(1), 20}}}
	if s := Between(before, restarted); s.Requests != 20 || s.Errors != 1 || s.Buckets[0].Count != 20 {
		t.Errorf("after a restart: %+v", s)
	}
	if s := Between(Sample{At: at}, after); s.Requests != 160 {
		t.Errorf("after the first request: %+v", s)
	}
	if s := Between(before, Sample{At: after.At}); s.Counted || s.Requests != 0 {
		t.Errorf("without the plugin: %+v", s)
	}
	joined := Join([]Step{Between(before, after), Between(after, restarted)})
	if joined.Requests != 80 || joined.Errors != 3 || joined.Buckets[1].Count != 80 || joined.At.Sub(joined.From) != 10*time.Second {
		t.Errorf("joined: %+v", joined)
	}
}

func TestQuantiles(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name    string
		buckets []Bucket
		q       float64
		want    time.Duration
		ok      bool
	}{
		{"without latencies", nil, 0.5, 0, false},
		{"without requests", []Bucket{{25, 0}, {inf, 0}}, 0.5, 0, false},
		{"all in the first bucket", []Bucket{{25, 100}, {50, 100}, {inf, 100}}, 0.5, 12500 * time.Microsecond, true},
		{"at the edge of a bucket", []Bucket{{25, 50}, {50, 100}, {inf, 100}}, 0.5, 25 * time.Millisecond, true},
		{"within a later bucket", []Bucket{{25, 50}, {50, 100}, {inf, 100}}, 0.75, 37500 * time.Microsecond, true},
		{"beyond the last bound", []Bucket{{25, 50}, {50, 60}, {inf, 100}}, 0.99, 50 * time.Millisecond, true},
	} {
		got, ok := Step{Sample: Sample{Buckets: c.buckets}}.Quantile(c.q)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: got %v, %v", c.name, got, ok)
		}
	}
}
