package desired

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// Metrics are those of a Service. A nil Metrics records nothing.
type Metrics struct {
	submits *prometheus.CounterVec
	took    *prometheus.HistogramVec
	stages  *prometheus.HistogramVec
	races   prometheus.Counter
	checks  *prometheus.CounterVec
	deleted *prometheus.CounterVec
}

// NewMetrics registers the metrics of a Service.
func NewMetrics(r prometheus.Registerer) *Metrics {
	buckets := prometheus.ExponentialBuckets(0.001, 2.5, 12) // 1 ms to 24 s
	m := &Metrics{
		submits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_translator_submits_total",
			Help: "Submissions by what became of them."}, []string{"outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "silverback_translator_submit_seconds",
			Help: "Time from a submission's arrival to its answer.", Buckets: buckets}, []string{"outcome"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "silverback_translator_stage_seconds",
			Help:    "Time of one stage: parse, merge, seal, judge, compare, store or commit. A lost race repeats all but the first.",
			Buckets: buckets}, []string{"stage"}),
		races: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_translator_lost_races_total",
			Help: "Commits that found the group changed and were merged again."}),
	}
	for _, outcome := range []string{"committed", "unchanged", "refused", "failed"} {
		m.submits.WithLabelValues(outcome) // present from the start, so that rates see the first one
		m.took.WithLabelValues(outcome)
	}
	m.checks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "silverback_translator_schema_checks_total", Help: "Checks of configurations by the schemas of their group's gateways, by what " +
			"became of them.",
	}, []string{"outcome"})
	for _, outcome := range []string{"passed", "refused", "doubted", "incomplete", "unchecked"} {
		m.checks.WithLabelValues(outcome)
	}
	m.deleted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "silverback_translator_collected_total", Help: "Keys that collections by this replica deleted, by what they held: a revision, a " +
			"fragment, a manifest or a chunk.",
	}, []string{"content"})
	for _, what := range []string{"revision", "fragment", "manifest", "chunk"} {
		m.deleted.WithLabelValues(what)
	}
	for _, stage := range []string{"parse", "merge", "seal", "judge", "compare", "store", "commit"} {
		m.stages.WithLabelValues(stage)
	}
	r.MustRegister(m.submits, m.took, m.stages, m.races, m.checks, m.deleted)
	return m
}

func (m *Metrics) stage(name string, began time.Time) {
	if m != nil {
		m.stages.WithLabelValues(name).Observe(time.Since(began).Seconds())
	}
}

func (m *Metrics) checked(outcome string) {
	if m != nil {
		m.checks.WithLabelValues(outcome).Inc()
	}
}

func (m *Metrics) collected(what string, n int) {
	if m != nil {
		m.deleted.WithLabelValues(what).Add(float64(n))
	}
}

func (m *Metrics) lostRace() {
	if m != nil {
		m.races.Inc()
	}
}

func (m *Metrics) submitted(out Outcome, err error, began time.Time) {
	if m == nil {
		return
	}
	outcome := "committed"
	switch {
	case err != nil && refusals[fault.KindOf(err)]:
		outcome = "refused"
	case err != nil:
		outcome = "failed"
	case out.Unchanged:
		outcome = "unchanged"
	}
	m.submits.WithLabelValues(outcome).Inc()
	m.took.WithLabelValues(outcome).Observe(time.Since(began).Seconds())
}

// refusals are the faults that submitters can correct.
var refusals = map[fault.Kind]bool{
	fault.Invalid: true, fault.Missing: true, fault.Exists: true, fault.Conflict: true, fault.WrongState: true, fault.TooLarge: true,
	fault.Denied: true,
}
