package webhook

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of all hooks.
type Metrics struct {
	requests    *prometheus.CounterVec
	deadLetters *prometheus.CounterVec
	lag         *prometheus.Desc

	mu     sync.Mutex
	states map[string]*state // by hook
}

// NewMetrics registers the metrics of webhooks.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_webhook_requests_total",
			Help: "Requests to webhooks, by hook and outcome: sent or failed."}, []string{"hook", "outcome"}),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_webhook_dead_letters_total",
			Help: "Events that a webhook was not given: refused, or not taken in time."}, []string{"hook"}),
		lag: prometheus.NewDesc("silverback_distributor_webhook_lag_seconds",
			"Age of the oldest event that a webhook has yet to take, as the leader sees it; 0 when there is none, and elsewhere.",
			[]string{"hook"}, nil),
		states: map[string]*state{},
	}
	r.MustRegister(m.requests, m.deadLetters, m)
	return m
}

// Describe implements prometheus.Collector for the lag.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) { to <- m.lag }

// Collect implements prometheus.Collector for the lag.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for hook, s := range m.states {
		to <- prometheus.MustNewConstMetric(m.lag, prometheus.GaugeValue, s.lag(), hook)
	}
}

// of returns the state of a hook. It is counted from the first call on, so that the first of everything is seen to happen.
func (m *Metrics) of(hook string) *state {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.states[hook]
	if s == nil {
		s = &state{
			sent: m.requests.WithLabelValues(hook, "sent"), failed: m.requests.WithLabelValues(hook, "failed"),
			dead: m.deadLetters.WithLabelValues(hook),
		}
		m.states[hook] = s
	}
	return s
}

// state is what is counted of one hook.
type state struct {
	sent, failed, dead prometheus.Counter

	mu      sync.Mutex
	waiting time.Time // when the event happened that is to be taken; zero when there is none
}

func (s *state) waits(since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = since
}

func (s *state) idle() { s.waits(time.Time{}) }

func (s *state) lag() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.IsZero() {
		return 0
	}
	return max(time.Since(s.waiting).Seconds(), 0)
}
