package kongtest

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
)

// metering is what a configured prometheus plugin counts. Gauges of the node are
// exported without one.
type metering struct {
	statuses, latencies, bandwidth, consumers bool
}

// compileMetering returns nothing for any other plugin and for a disabled one.
func compileMetering(n *node) *metering {
	if n.text("name") != "prometheus" || n.own["enabled"] == false {
		return nil
	}
	config, _ := n.own["config"].(map[string]any)
	on := func(field string) bool { return config[field] == true }
	return &metering{
		statuses: on("status_code_metrics"), latencies: on("latency_metrics"),
		bandwidth: on("bandwidth_metrics"), consumers: on("per_consumer"),
	}
}

// metering picks the plugin with the nearest scope, as running does.
func (r *router) metering(rt *route) *metering {
	switch {
	case rt.metering != nil:
		return rt.metering
	case rt.service != nil && rt.service.metering != nil:
		return rt.service.metering
	}
	return r.metered
}

// meter counts proxied requests from a start of the gateway to the next. Kong
// keeps these in shared memory: a reload does not reset them.
type meter struct {
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

// served is one request that a route took, when it is over.
type served struct {
	service, route, consumer string
	status                   int
	received, sent           int64
	byService                bool // the answer is the upstream's, not Kong's
	took, upstream           time.Duration
}

func (m *meter) note(what *metering, s served) {
	m.mu.Lock()
	defer m.mu.Unlock()
	consumer := ""
	if what.consumers {
		consumer = s.consumer
	}
	if what.statuses {
		source := "kong"
		if s.byService {
			source = "service"
		}
		m.add(requestsMetric, labels("service", s.service, "route", s.route, "code", fmt.Sprint(s.status), "source", source,
			"workspace", "default", "consumer", consumer), 1)
	}
	if what.bandwidth {
		for direction, size := range map[string]int64{"ingress": s.received, "egress": s.sent} {
			m.add(bandwidthMetric, labels("service", s.service, "route", s.route, "direction", direction,
				"workspace", "default", "consumer", consumer), uint64(size))
		}
	}
	if what.latencies {
		at := labels("service", s.service, "route", s.route, "workspace", "default")
		m.observe(requestLatency, at, s.took)
		m.observe(kongLatency, at, s.took-s.upstream)
		if s.byService {
			m.observe(upstreamLatency, at, s.upstream)
		}
	}
}

func (m *meter) add(metric, labels string, n uint64) {
	if m.counters == nil {
		m.counters = map[string]map[string]uint64{}
	}
	if m.counters[metric] == nil {
		m.counters[metric] = map[string]uint64{}
	}
	m.counters[metric][labels] += n
}

func (m *meter) observe(metric, labels string, took time.Duration) {
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

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters, m.latency = nil, nil
}

// labels writes pairs of a name and a value, without the braces.
func labels(pairs ...string) string {
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

// exposition is a page of metrics in the making. Kong sorts by name.
type exposition struct{ families map[string][]string }

func (x *exposition) family(name, help, kind string, lines ...string) {
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	x.families[name] = append([]string{"# HELP " + name + " " + help, "# TYPE " + name + " " + kind}, lines...)
}

func (x *exposition) bytes() []byte {
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

// getMetrics answers as long as the prometheus plugin is enabled on the server,
// configured or not.
func (g *Gateway) getMetrics(w http.ResponseWriter, _ *http.Request) {
	if !g.plugins["prometheus"] {
		answer(w, http.StatusNotFound, message("Not found"))
		return
	}
	x := &exposition{families: map[string][]string{}}
	g.mu.Lock()
	node := g.nodeID
	g.mu.Unlock()
	x.family("kong_datastore_reachable", "Datastore reachable from Kong, 0 is unreachable", "gauge", "kong_datastore_reachable 1")
	x.family("kong_node_info", "Kong Node metadata information", "gauge",
		fmt.Sprintf("kong_node_info{%s} 1", labels("node_id", node, "version", g.kongVersion())))
	x.family("kong_nginx_metric_errors_total", "Number of nginx-lua-prometheus errors", "counter", "kong_nginx_metric_errors_total 0")
	x.family("kong_nginx_requests_total", "Number of requests total", "gauge",
		fmt.Sprintf("kong_nginx_requests_total{%s} %d", labels("node_id", node, "subsystem", "http"), g.requests.Load()))
	x.family("kong_nginx_timers", "Number of nginx timers", "gauge", `kong_nginx_timers{state="pending"} 1`,
		`kong_nginx_timers{state="running"} 1`)
	accepted, active := g.connected.accepted.Load(), g.connected.active.Load()
	var lines []string
	for state, n := range map[string]int64{
		"accepted": accepted, "handled": accepted, "total": accepted, "active": active, "reading": 0, "waiting": 0, "writing": active,
	} {
		lines = append(lines, fmt.Sprintf("kong_nginx_connections_total{%s} %d", labels("node_id", node, "subsystem", "http", "state", state), n))
	}
	x.family("kong_nginx_connections_total", "Number of connections by subsystem", "gauge", lines...)
	lines = nil
	for _, pid := range g.pids() {
		lines = append(lines, fmt.Sprintf("kong_memory_workers_lua_vms_bytes{%s} %d",
			labels("node_id", node, "pid", fmt.Sprint(pid), "kong_subsystem", "http"), luaMemory))
	}
	x.family("kong_memory_workers_lua_vms_bytes", "Allocated bytes in worker Lua VM", "gauge", lines...)
	g.meter.expose(x)
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	write(w, http.StatusOK, x.bytes())
}

// luaMemory is what each simulated worker claims to use.
const luaMemory = 50 << 20

func (m *meter) expose(x *exposition) {
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
		x.family(name, help, "counter", lines...)
	}
	for name, help := range map[string]string{
		kongLatency:     "Latency added by Kong and enabled plugins for each service/route in Kong",
		requestLatency:  "Total latency incurred during requests for each service/route in Kong",
		upstreamLatency: "Latency added by upstream response for each service/route in Kong",
	} {
		x.histograms(name, help, m.latency[name])
	}
}

func (x *exposition) histograms(name, help string, all map[string]*histogram) {
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

// connected counts the connections of all listeners.
type connected struct{ accepted, active atomic.Int64 }

func (c *connected) note(_ net.Conn, to http.ConnState) {
	switch to {
	case http.StateNew:
		c.accepted.Add(1)
		c.active.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.active.Add(-1)
	}
}

// recorder notes what is answered to a proxied request.
type recorder struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(body)
	r.sent += int64(n)
	return n, err
}

// Unwrap lets a response controller find the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
