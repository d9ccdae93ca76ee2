package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The outcomes of a review, as a label.
const (
	outcomeAdmitted = "admitted"
	outcomeRefused  = "refused"
	outcomeOpen     = "failed_open"   // admitted without a whole review
	outcomeClosed   = "failed_closed" // refused, since there was no whole review
)

// metrics count what becomes of reviews.
type metrics struct {
	reviews *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "silverback_kubernetes_reviews_total", Help: "Objects that the admission webhook was asked about, by what became of them.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "silverback_kubernetes_review_seconds", Help: "How long a review of an object took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for _, outcome := range []string{outcomeAdmitted, outcomeRefused, outcomeOpen, outcomeClosed} {
		m.reviews.WithLabelValues(outcome)
	}
	if registry != nil {
		registry.MustRegister(m.reviews, m.seconds)
	}
	return m
}

func (m *metrics) reviewed(outcome string, began time.Time) {
	m.reviews.WithLabelValues(outcome).Inc()
	m.seconds.Observe(time.Since(began).Seconds())
}
