package session

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what happens to sessions.
type Metrics struct {
	renewals, writes, batches, leasesLost prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "silverback_registry_" + name, Help: help})
	}
	m := &Metrics{
		renewals:   counter("renewals_total", "Renewals answered."),
		writes:     counter("session_writes_total", "Sessions written to or deleted from the ledger."),
		batches:    counter("session_batches_total", "Transactions in which sessions were written."),
		leasesLost: counter("leases_lost_total", "Times the lease of this replica's sessions was lost."),
	}
	r.MustRegister(m.renewals, m.writes, m.batches, m.leasesLost)
	return m
}
