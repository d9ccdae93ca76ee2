// Package metering counts proxied requests as the prometheus plugin does, and writes pages of metrics.
package metering

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
)

// Selection is what a configured prometheus plugin counts. Gauges of the node are exported without one.
type Selection struct {
	statuses, latencies, bandwidth, consumers bool
}

// Compile returns nil for any other plugin and for a disabled one.
func Compile(n *entity.Node) *Selection {
	if n.Text("name") != "prometheus" || n.Own["enabled"] == false {
		return nil
	}
	config, _ := n.Own["config"].(map[string]any)
	on := func(field string) bool { return config[field] == true }
	return &Selection{
		statuses: on("status_code_metrics"), latencies: on("latency_metrics"),
		bandwidth: on("bandwidth_metrics"), consumers: on("per_consumer"),
	}
}

// Meter counts proxied requests from one start of the gateway to the next. Kong keeps these counters in shared memory, so a reload does not
// reset them.
type Meter struct {
	mu       sync.Mutex
	counters map[string]map[string]uint64 // by metric and labels
	latency  map[string]map[string]*histogram
}

// The metrics of requests, each with its buckets when it has any.
const (
	requestsMetric  = "kong_http_requests_total"
	bandwidthMetric = "kong_bandwidth_bytes"
	kongLatency     = "kong_kong_latency_ms"
	requestLatency  = "kong_request_latency_ms"
	upstreamLatency = "kong_upstream_latency_ms"
)

func latencyBuckets(metric string) []int64 {
	if metric == kongLatency {
		return []int64{1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000}
	}
	return []int64{25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000}
}

type histogram struct {
	buckets    []uint64 // cumulative, without +Inf
	count, sum uint64
}

// Served is a finished request that a route took.
type Served struct {
	Service, Route, Consumer string
	Status                   int
	Received, Sent           int64
	ByService                bool // the answer is the upstream's, not Kong's
	Took, Upstream           time.Duration
}

// Note counts a request.
func (m *Meter) Note(what *Selection, s Served) {
	m.mu.Lock()
	defer m.mu.Unlock()
	consumer := ""
	if what.consumers {
		consumer = s.Consumer
	}
	if what.statuses {
		source := "kong"
		if s.ByService {
			source = "service"
		}
		m.add(requestsMetric, Labels("service", s.Service, "route", s.Route, "code", fmt.Sprint(s.Status), "source", source,
			"workspace", "default", "consumer", consumer), 1)
	}
	if what.bandwidth {
		for direction, size := range map[string]int64{"ingress": s.Received, "egress": s.Sent} {
			m.add(bandwidthMetric, Labels("service", s.Service, "route", s.Route, "direction", direction,
				"workspace", "default", "consumer", consumer), uint64(size))
		}
	}
	if what.latencies {
		at := Labels("service", s.Service, "route", s.Route, "workspace", "default")
		m.observe(requestLatency, at, s.Took)
		m.observe(kongLatency, at, s.Took-s.Upstream)
		if s.ByService {
			m.observe(upstreamLatency, at, s.Upstream)
		}
	}
}

func (m *Meter) add(metric, labels string, n uint64) {
	if m.counters == nil {
		m.counters = map[string]map[string]uint64{}
	}
	if m.counters[metric] == nil {
		m.counters[metric] = map[string]uint64{}
	}
	m.counters[metric][labels] += n
}

func (m *Meter) observe(metric, labels string, took time.Duration) {
	if m.latency == nil {
		m.latency = map[string]map[string]*histogram{}
	}
	if m.latency[metric] == nil {
		m.latency[metric] = map[string]*histogram{}
	}
	h := m.latency[metric][labels]
	if h == nil {
		h = &histogram{buckets: make([]uint64, len(latencyBuckets(metric)))}
		m.latency[metric][labels] = h
	}
	ms := max(took.Milliseconds(), 0)
	for i, bound := range latencyBuckets(metric) {
		if ms <= bound {
			h.buckets[i]++
		}
	}
	h.count++
	h.sum += uint64(ms)
}

// Reset forgets all counters.
func (m *Meter) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters, m.latency = nil, nil
}

// Labels writes pairs of a name and a value, without the braces.
func Labels(pairs ...string) string {
	var out strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			out.WriteByte(',')
		}
		value := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(pairs[i+1])
		fmt.Fprintf(&out, `%s="%s"`, pairs[i], value)
	}
	return out.String()
}

// Page is a page of metrics. Kong sorts it by name.
type Page struct{ families map[string][]string }

// NewPage returns an empty page.
func NewPage() *Page { return &Page{families: map[string][]string{}} }

// Family adds a metric with its lines. Without lines it is left out.
func (x *Page) Family(name, help, kind string, lines ...string) {
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	x.families[name] = append([]string{"# HELP " + name + " " + help, "# TYPE " + name + " " + kind}, lines...)
}

// Bytes is the text of the page.
func (x *Page) Bytes() []byte {
	var out bytes.Buffer
	names := make([]string, 0, len(x.families))
	for name := range x.families {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, line := range x.families[name] {
			out.WriteString(line)
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// Expose adds the counters to a page.
func (m *Meter) Expose(x *Page) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, help := range map[string]string{
		requestsMetric:  "HTTP status codes per consumer/service/route in Kong",
		bandwidthMetric: "Total bandwidth (ingress/egress) throughput in bytes",
	} {
		var lines []string
		for labels, n := range m.counters[name] {
			lines = append(lines, fmt.Sprintf("%s{%s} %d", name, labels, n))
		}
		x.Family(name, help, "counter", lines...)
	}
	for name, help := range map[string]string{
		kongLatency:     "Latency added by Kong and enabled plugins for each service/route in Kong",
		requestLatency:  "Total latency incurred during requests for each service/route in Kong",
		upstreamLatency: "Latency added by upstream response for each service/route in Kong",
	} {
		x.histograms(name, help, m.latency[name])
	}
}

func (x *Page) histograms(name, help string, all map[string]*histogram) {
	if len(all) == 0 {
		return
	}
	sets := make([]string, 0, len(all))
	for set := range all {
		sets = append(sets, set)
	}
	slices.Sort(sets)
	lines := []string{"# HELP " + name + " " + help, "# TYPE " + name + " histogram"}
	for _, set := range sets {
		h := all[set]
		for i, bound := range latencyBuckets(name) {
			lines = append(lines, fmt.Sprintf(`%s_bucket{%s,le="%d"} %d`, name, set, bound, h.buckets[i]))
		}
		lines = append(lines, fmt.Sprintf(`%s_bucket{%s,le="+Inf"} %d`, name, set, h.count),
			fmt.Sprintf("%s_count{%s} %d", name, set, h.count), fmt.Sprintf("%s_sum{%s} %d", name, set, h.sum))
	}
	x.families[name] = lines
}

// Traffic counts the connections and requests of all listeners.
type Traffic struct {
	Requests         atomic.Uint64
	Accepted, Active atomic.Int64
}

// Note follows the state of a connection, as http.Server.ConnState.
func (c *Traffic) Note(_ net.Conn, to http.ConnState) {
	switch to {
	case http.StateNew:
		c.Accepted.Add(1)
		c.Active.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.Active.Add(-1)
	}
}

// Recorder notes the answer to a proxied request.
type Recorder struct {
	http.ResponseWriter
	Status int // 0 before an answer
	Sent   int64
}

// WriteHeader notes the status.
func (r *Recorder) WriteHeader(status int) {
	if r.Status == 0 && status >= 200 {
		r.Status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write counts the body.
func (r *Recorder) Write(body []byte) (int, error) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(body)
	r.Sent += int64(n)
	return n, err
}

// Unwrap lets a response controller find the connection.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
