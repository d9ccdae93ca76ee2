package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the controller.
type metrics struct {
	submits *prometheus.CounterVec
	took    prometheus.Histogram
	left    prometheus.Gauge
	held    prometheus.Gauge
	leads   prometheus.Gauge
	drains  prometheus.Gauge
	stays   prometheus.Gauge
}

// outcomes of submissions.
var outcomes = []string{"committed", "unchanged", "refused", "shrink", "held_back", "failed"}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		submits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_kubernetes_submits_total",
			Help: "Submissions by what became of them."}, []string{"outcome"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "silverback_kubernetes_translate_seconds",
			Help: "Time from the objects of the cluster to a configuration that compiles.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12)}),
		left: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_kubernetes_left_out_objects",
			Help: "Objects that are left out since they, or what they depend on, are broken."}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_kubernetes_shrink_held_entities",
			Help: "Entities that the shrink guard keeps although no object asks for them any more."}),
		leads: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_kubernetes_leader",
			Help: "1 while this replica submits, else 0."}),
	}
	m.drains = prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_kubernetes_drained_endpoints",
		Help: "Endpoints that left and that gateways keep out until a revision takes them out."})
	m.stays = prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_kubernetes_undrained_endpoints",
		Help: "Endpoints that left and get requests until a revision takes them out."})
	for _, outcome := range outcomes {
		m.submits.WithLabelValues(outcome)
	}
	r.MustRegister(m.submits, m.took, m.left, m.held, m.leads, m.drains, m.stays)
	return m
}

func (m *metrics) submitted(outcome string)   { m.submits.WithLabelValues(outcome).Inc() }
func (m *metrics) translated(began time.Time) { m.took.Observe(time.Since(began).Seconds()) }

// gauges are what an engine counts.
type gauges struct{ leftOut, shrunk, drained, stays int }

func (g *gauges) add(other gauges) {
	g.leftOut, g.shrunk, g.drained, g.stays = g.leftOut+other.leftOut, g.shrunk+other.shrunk, g.drained+other.drained, g.stays+other.stays
}

// show tells what all engines count together.
func (m *metrics) show(g gauges) {
	m.left.Set(float64(g.leftOut))
	m.held.Set(float64(g.shrunk))
	m.drains.Set(float64(g.drained))
	m.stays.Set(float64(g.stays))
}

func (m *metrics) leading(now bool) {
	m.leads.Set(0)
	if now {
		m.leads.Set(1)
	}
}
