package schemas

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what happens to schema bundles.
type Metrics struct {
	uploads   *prometheus.CounterVec
	collected prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_registry_schema_uploads_total",
			Help: "Uploads of schema bundles by outcome."}, []string{"outcome"}),
		collected: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_registry_schema_bundles_collected_total",
			Help: "Schema bundles deleted because no node reported them for a while."}),
	}
	for _, outcome := range []string{"stored", "refused"} {
		m.uploads.WithLabelValues(outcome)
	}
	r.MustRegister(m.uploads, m.collected)
	return m
}

func (m *Metrics) upload(outcome string) { m.uploads.WithLabelValues(outcome).Inc() }
