package agent

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// metrics are listed in docs/metrics.md with the question that each answers.
type metrics struct {
	load     prometheus.Histogram
	proof    prometheus.Histogram
	drifts   prometheus.Counter
	stale    prometheus.Counter
	received prometheus.Counter
	outcomes *prometheus.CounterVec
	revision prometheus.Gauge
	probes   *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, view func() status.View) (*metrics, error) {
	buckets := prometheus.ExponentialBuckets(0.005, 2, 14) // 5 ms to 41 s
	m := &metrics{
		load: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "silverback_agent_load_seconds", Help: "From a directive's arrival to Kong's 201.", Buckets: buckets,
		}),
		proof: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "silverback_agent_proof_seconds", Help: "From Kong's 201 to the proof of serving.", Buckets: buckets,
		}),
		drifts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "silverback_agent_drift_total", Help: "Times the gateway was found to run something that the agent did not leave there.",
		}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "silverback_agent_stale_routers_total", Help: "Loads that left a worker on its old router, so that the agent " +
				"loaded once more.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "silverback_agent_received_bytes_total", Help: "Bytes of directives and their parts, as received.",
		}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "silverback_agent_outcomes_total", Help: "Answers to directives, by outcome: ack, nack or failure.",
		}, []string{"outcome"}),
		revision: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "silverback_agent_serving_revision", Help: "The revision that the gateway was proven to serve last; 0 is none.",
		}),
	}
	m.probes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "silverback_agent_probes_total", Help: "Answers to the group's probes, by result: good or bad.",
	}, []string{"result"})
	for _, result := range []string{"good", "bad"} {
		m.probes.WithLabelValues(result)
	}
	for _, outcome := range []string{"ack", "nack", "failure"} {
		m.outcomes.WithLabelValues(outcome) // present from the start
	}
	all := []prometheus.Collector{m.load, m.proof, m.drifts, m.stale, m.received, m.outcomes, m.revision, m.probes}
	for _, c := range slices.Concat(all, gauges(view), healthGauges(view)) {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

// gauges read the status when they are collected.
func gauges(view func() status.View) []prometheus.Collector {
	flag := func(name, help string, is func(status.View) bool) prometheus.Collector {
		return gauge(name, help, func() float64 {
			if is(view()) {
				return 1
			}
			return 0
		})
	}
	drained := func(name, help string, count func(status.Targets) int) prometheus.Collector {
		return gauge(name, help, func() float64 {
			if t := view().Targets; t != nil {
				return float64(count(*t))
			}
			return 0
		})
	}
	return []prometheus.Collector{
		flag("silverback_agent_ready", "1 while /readyz answers 200, else 0.", status.View.Serving),
		flag("silverback_agent_draining", "1 while the node is out of load balancing, else 0.",
			func(v status.View) bool { return v.Draining }),
		flag("silverback_agent_name_taken", "1 while another agent is enrolled under the node's name, else 0.",
			func(v status.View) bool { return v.NameTaken }),
		flag("silverback_agent_stray_workers", "1 while workers of a killed master share the gateway's listeners, else 0.",
			conditioned("StrayWorker")),
		flag("silverback_agent_targets_not_drained", "1 while the gateway sends requests to targets that it is to keep out, else 0.",
			conditioned("TargetsNotDrained")),
		flag("silverback_agent_certificate_revoked", "1 while the services refuse the node's certificate as revoked, else 0.",
			func(v status.View) bool { return len(v.RevokedAt) > 0 }),
		drained("silverback_agent_drained_targets", "Targets of upstreams that the gateway is to keep out.",
			func(t status.Targets) int { return t.Wanted }),
		drained("silverback_agent_drained_targets_out", "Of them, how many the gateway was seen to keep out since its last load and start.",
			func(t status.Targets) int { return t.Out }),
		drained("silverback_agent_drained_targets_absent", "Of them, how many the gateway's configuration does not have.",
			func(t status.Targets) int { return t.Absent }),
		gauge("silverback_agent_probes_failing", "Number of the group's probes that fail, after damping.", func() float64 {
			n := 0
			for _, p := range view().Probes {
				if p.Failing {
					n++
				}
			}
			return float64(n)
		}),
	}
}

// healthGauges read the gateway's health when they are collected. Unknown values are NaN.
func healthGauges(view func() status.View) []prometheus.Collector {
	of := func(name, help string, value func(fleet.Health) (float64, bool)) prometheus.Collector {
		return gauge(name, help, func() float64 {
			if h := view().Health; h != nil {
				if v, known := value(*h); known {
					return v
				}
			}
			return math.NaN()
		})
	}
	return []prometheus.Collector{
		of("silverback_agent_gateway_error_ratio", "Share of the gateway's requests in the last window that were answered with a 5xx status.",
			func(h fleet.Health) (float64, bool) {
				if h.Requests == nil || h.ServerErrors == nil || *h.Requests == 0 {
					return 0, h.Requests != nil
				}
				return float64(*h.ServerErrors) / float64(*h.Requests), true
			}),
		of("silverback_agent_gateway_latency_p99_seconds", "99th percentile of the gateway's request latency in the last window.",
			func(h fleet.Health) (float64, bool) {
				if h.LatencyP99 == nil {
					return 0, false
				}
				return h.LatencyP99.Seconds(), true
			}),
		of("silverback_agent_gateway_memory_bytes", "Memory of the Lua VMs of the gateway's workers.",
			func(h fleet.Health) (float64, bool) { return float64(h.MemoryBytes), h.MemoryBytes > 0 }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "silverback_agent_gateway_worker_restarts_total", Help: "Times that the gateway's workers were replaced.",
		}, func() float64 {
			if h := view().Health; h != nil {
				return float64(h.WorkerRestarts)
			}
			return 0
		}),
	}
}

// Probed implements health.Meters.
func (m *metrics) Probed(good bool) {
	m.probes.WithLabelValues(map[bool]string{true: "good", false: "bad"}[good]).Inc()
}

func (m *metrics) Loaded(took time.Duration)       { m.load.Observe(took.Seconds()) }
func (m *metrics) Proven(took time.Duration)       { m.proof.Observe(took.Seconds()) }
func (m *metrics) Drifted()                        { m.drifts.Inc() }
func (m *metrics) Stale()                          { m.stale.Inc() }
func (m *metrics) Reported(outcome string)         { m.outcomes.WithLabelValues(outcome).Inc() }
func (m *metrics) Serving(revision fleet.Revision) { m.revision.Set(float64(revision)) }

// conditioned returns whether the node has a condition of a type.
func conditioned(kind string) func(status.View) bool {
	return func(v status.View) bool {
		return slices.ContainsFunc(v.Conditions, func(c status.Condition) bool { return c.Type == kind })
	}
}
