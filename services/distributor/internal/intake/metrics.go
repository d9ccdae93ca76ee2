package intake

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// Metrics are what a leader tells.
type Metrics struct {
	decisions *prometheus.CounterVec
	open      prometheus.Gauge
}

// NewMetrics registers the metrics of the leader.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_decisions_total", Help: "Decisions written by this replica, by the state they left the rollout in."}, []string{"state"}),
		open:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_open_rollouts", Help: "Rollouts under way, as the leader sees them; 0 elsewhere."}),
	}
	r.MustRegister(m.decisions, m.open)
	return m
}

func (m *Metrics) decided(s rollout.State) { m.decisions.WithLabelValues(string(s)).Inc() }

func (m *Metrics) groups(newest map[fleet.GroupID]rollout.Target, view *store.View) {
	open := 0
	for id := range newest {
		if r := view.Group(id).Newest(); r != nil && r.State.Open() {
			open++
		}
	}
	m.open.Set(float64(open))
}

// ended forgets the gauges of a term that is over.
func (m *Metrics) ended() { m.open.Set(0) }
