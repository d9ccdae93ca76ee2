package stream

import (
	"github.com/prometheus/client_golang/prometheus"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Metrics are the metrics of the streams.
type Metrics struct {
	propagation    *prometheus.HistogramVec
	outcomes       *prometheus.CounterVec
	replaced       prometheus.Counter
	sessions       prometheus.Gauge
	sentBytes      *prometheus.CounterVec
	frameHits      prometheus.Counter
	frameEncodings prometheus.Counter
	frameEvictions prometheus.Counter
	frameBytes     prometheus.Gauge
	tallyWrites    prometheus.Counter
	taken          prometheus.Counter
	ahead          prometheus.Gauge
	quarantined    prometheus.Gauge
	drainedTargets prometheus.Gauge
}

// NewMetrics registers the metrics of the streams.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		propagation: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "silverback_propagation_seconds", Help: "Time from the commit of a revision until a connected node was sent it, had it loaded, " +
				"was proven to serve it.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800},
		}, []string{"stage"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_outcomes_total",
			Help: "Verdicts of agents on directives."}, []string{"outcome", "reason"}),
		replaced: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_stream_mailbox_replaced_total",
			Help: "Directives that a newer one replaced before they were sent."}),
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_sessions",
			Help: "Agents connected to this replica."}),
		sentBytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "silverback_distributor_sent_bytes_total",
			Help: "Bytes of directives sent to agents."}, []string{"kind"}),
		frameHits: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_distributor_frame_hits_total",
			Help: "Directives whose delta was encoded already."}),
		frameEncodings: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_distributor_frame_encodings_total",
			Help: "Deltas that were encoded, once for each pair of snapshots."}),
		frameEvictions: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_distributor_frame_evictions_total",
			Help: "Encoded deltas that made room for others."}),
		frameBytes: prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_frame_bytes", Help: "Bytes of encoded deltas kept."}),
		tallyWrites: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_distributor_tally_writes_total",
			Help: "Tallies written by this replica."}),
		taken: prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_distributor_names_taken_total",
			Help: "Streams refused or ended because another agent holds the node's name."}),
		ahead: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "silverback_distributor_nodes_ahead", Help: "Agents connected to this replica that follow a decision that the ledger does not " +
				"have: it was restored or lost.",
		}),
	}
	m.quarantined = prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_quarantined_nodes",
		Help: "Nodes in quarantine, as this replica knows."})
	m.drainedTargets = prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_distributor_drained_targets",
		Help: "Targets of upstreams that gateways are to keep out, of all groups, as this replica knows."})
	for _, kind := range []string{kindFull, kindDelta, kindNone} {
		m.sentBytes.WithLabelValues(kind)
	}
	// Present from the start, so that rates see the first one.
	m.outcomes.WithLabelValues("nack", refusedByGateway)
	for n, name := range fleetv1.Proof_name {
		if n != 0 {
			m.outcomes.WithLabelValues("ack", reasonOf(name, "PROOF_"))
		}
	}
	for n, name := range distributorv1.Failure_Reason_name {
		if n != 0 {
			m.outcomes.WithLabelValues("failure", reasonOf(name, "REASON_"))
		}
	}
	for _, stage := range []string{stageSent, stageLoaded, stageServing} {
		m.propagation.WithLabelValues(stage)
	}
	r.MustRegister(m.propagation, m.outcomes, m.replaced, m.sessions, m.sentBytes, m.frameHits, m.frameEncodings, m.frameEvictions,
		m.frameBytes, m.tallyWrites, m.taken, m.ahead, m.quarantined, m.drainedTargets)
	return m
}

// What a directive carries.
const (
	kindFull  = "full"
	kindDelta = "delta"
	kindNone  = "none"
)

// refusedByGateway is the one reason of a nack.
const refusedByGateway = "refused_by_gateway"
