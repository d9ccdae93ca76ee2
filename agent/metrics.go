package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// metrics are listed in docs/metrics.md with the question that each answers.
type metrics struct {
	load     prometheus.Histogram
	proof    prometheus.Histogram
	drifts   prometheus.Counter
	received prometheus.Counter
	outcomes *prometheus.CounterVec
	revision prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
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
	for _, outcome := range []string{"ack", "nack", "failure"} {
		m.outcomes.WithLabelValues(outcome) // present from the start
	}
	for _, c := range []prometheus.Collector{m.load, m.proof, m.drifts, m.received, m.outcomes, m.revision} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ready adds what load balancers are told, for who has no load balancer to ask.
func (m *metrics) ready(r prometheus.Registerer, probe func() error) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "silverback_agent_ready", Help: "1 while /readyz says that the gateway may be given traffic, else 0.",
	}, func() float64 {
		if probe() != nil {
			return 0
		}
		return 1
	}))
}

func (m *metrics) Loaded(took time.Duration)       { m.load.Observe(took.Seconds()) }
func (m *metrics) Proven(took time.Duration)       { m.proof.Observe(took.Seconds()) }
func (m *metrics) Drifted()                        { m.drifts.Inc() }
func (m *metrics) Answered(outcome string)         { m.outcomes.WithLabelValues(outcome).Inc() }
func (m *metrics) Serving(revision fleet.Revision) { m.revision.Set(float64(revision)) }
