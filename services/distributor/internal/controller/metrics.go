package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// Metrics are those of the leader.
type Metrics struct {
	decisions *prometheus.CounterVec
	open      prometheus.Gauge
	halted    prometheus.Gauge
}

// NewMetrics registers the metrics of the leader.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_decisions_total",
			Help: "Decisions written by this replica, by the state they left the rollout in."}, []string{"state"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_open_rollouts",
			Help: "Rollouts under way, as the leader sees them; 0 elsewhere."}),
		halted: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_halted_groups",
			Help: "Groups whose newest rollout was halted, as the leader sees them; 0 elsewhere."}),
	}
	for _, s := range []rollout.State{rollout.Waiting, rollout.Progressing, rollout.Soaking, rollout.Completed, rollout.Halted} {
		m.decisions.WithLabelValues(string(s)) // present from the start, so that the first one is seen to happen
	}
	r.MustRegister(m.decisions, m.open, m.halted)
	return m
}

func (m *Metrics) decided(s rollout.State) { m.decisions.WithLabelValues(string(s)).Inc() }

func (m *Metrics) groups(newest map[fleet.GroupID]rollout.Target, view *store.View) {
	open, halted := 0, 0
	for id := range newest {
		switch r := view.Group(id).Newest(); {
		case r == nil:
		case r.State.Open():
			open++
		case r.State == rollout.Halted:
			halted++
		}
	}
	m.open.Set(float64(open))
	m.halted.Set(float64(halted))
}

// ended forgets the gauges of a term that is over.
func (m *Metrics) ended() {
	m.open.Set(0)
	m.halted.Set(0)
}
