package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// Metrics are those of the leader.
type Metrics struct {
	decisions *prometheus.CounterVec
	open      prometheus.Gauge
	halted    prometheus.Gauge
	paused    prometheus.Gauge
	frozen    prometheus.Gauge
	gates     *prometheus.CounterVec
	collects  *prometheus.CounterVec
	kept      prometheus.Gauge
	events    *prometheus.CounterVec
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
		paused: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_paused_rollouts",
			Help: "Rollouts that an operator paused, as the leader sees them; 0 elsewhere."}),
		frozen: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_frozen_groups",
			Help: "Groups that an operator froze, as the leader sees them; 0 elsewhere."}),
		gates: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_gate_results_total",
			Help: "What gates said of waves when this replica decided about them, by gate and outcome."}, []string{"gate", "outcome"}),
	}
	m.collects = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_collections_total",
		Help: "Collections of old revisions that this replica asked the translator for, by outcome: done or failed."}, []string{"outcome"})
	m.kept = prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_kept_revisions",
		Help: "Revisions of all groups after the last collection that this replica asked for; 0 unless it is the leader."})
	m.events = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_events_total",
		Help: "Events that this replica wrote into the ledger, by reason."}, []string{"reason"})
	for _, reason := range event.Reasons {
		m.events.WithLabelValues(string(reason))
	}
	m.collects.WithLabelValues("done")
	m.collects.WithLabelValues("failed")
	// Present from the start, so that the first one is seen to happen.
	for _, s := range []rollout.State{rollout.Waiting, rollout.Progressing, rollout.Soaking, rollout.Completed, rollout.Halted,
		rollout.Paused, rollout.RolledBack} {
		m.decisions.WithLabelValues(string(s))
	}
	for _, g := range []string{rollout.ProbesGate, rollout.ErrorRatioGate, rollout.LatencyGate, rollout.WorkersGate} {
		m.gates.WithLabelValues(g, string(rollout.GateFailed))
	}
	r.MustRegister(m.decisions, m.open, m.halted, m.paused, m.frozen, m.gates, m.collects, m.kept, m.events)
	return m
}

func (m *Metrics) collected(err error) {
	if err != nil {
		m.collects.WithLabelValues("failed").Inc()
		return
	}
	m.collects.WithLabelValues("done").Inc()
}

func (m *Metrics) decided(r rollout.Rollout) {
	m.decisions.WithLabelValues(string(r.State)).Inc()
	for _, g := range r.Gates {
		m.gates.WithLabelValues(g.Gate, string(g.Outcome)).Inc()
	}
}

func (m *Metrics) told(events []event.Event) {
	for _, e := range events {
		m.events.WithLabelValues(string(e.Reason)).Inc()
	}
}

func (m *Metrics) groups(newest map[fleet.GroupID]head, view *store.View) {
	open, halted, paused, frozen := 0, 0, 0, 0
	for id := range newest {
		g := view.Group(id)
		if g.Orders.Frozen() != nil {
			frozen++
		}
		switch r := g.Newest(); {
		case r == nil:
		case r.State.Open():
			open++
			if r.State == rollout.Paused {
				paused++
			}
		case r.State == rollout.Halted:
			halted++
		}
	}
	m.open.Set(float64(open))
	m.halted.Set(float64(halted))
	m.paused.Set(float64(paused))
	m.frozen.Set(float64(frozen))
}

// ended resets the gauges after a term.
func (m *Metrics) ended() {
	m.open.Set(0)
	m.halted.Set(0)
	m.paused.Set(0)
	m.frozen.Set(0)
	m.kept.Set(0)
}
