package health

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Evidence sums up a gateway's traffic since its agent started. Its numbers only grow, also across restarts of the gateway.
type Evidence struct {
	Age              time.Duration // since the agent started
	CountsRequests   bool          // the gateway counts requests by status
	MeasuresLatency  bool
	Requests         uint64
	Failed           uint64 // with a status from 500 up, or refused by the gateway itself
	UpstreamFailures uint64 // of these, those that the gateway could not forward
	BoundsMS         []float64
	Counts           []uint64 // by bucket; the last is over all bounds
	WorkerRestarts   uint64
	Probes           []ProbeTotal
}

// A ProbeTotal sums up the answers to one probe since it was configured.
type ProbeTotal struct {
	Path, Host   string
	Sent, Failed uint64
	Reason       string // of the last that failed
}

// leastInterval is the least interval of evidence.
const leastInterval = 500 * time.Millisecond

// Observe sets the interval of evidence; 0 means none. It is safe for concurrent use, and never blocks.
func (w *Watch) Observe(interval time.Duration) {
	if interval > 0 {
		interval = max(interval, leastInterval)
	}
	w.mu.Lock()
	same := w.observed == interval
	w.observed = interval
	w.mu.Unlock()
	if same {
		return
	}
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// Evidence receives the newest evidence while it is wanted.
func (w *Watch) Evidence() <-chan Evidence { return w.evidence }

// pace returns the interval of samples, and nextSample's share.
func (w *Watch) pace() (every time.Duration, share int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.observed > 0 {
		return min(w.observed, w.Sample), observedShare
	}
	return w.Sample, sampleShare
}

// publish replaces the waiting evidence by the newest. The caller holds w.mu.
func (w *Watch) publish(now time.Time) {
	if w.observed == 0 {
		return
	}
	e := w.totals.evidence()
	e.Age = now.Sub(w.started)
	for _, a := range w.running {
		e.Probes = append(e.Probes, ProbeTotal{Path: a.probe.Path, Host: a.probe.Host, Sent: a.sent, Failed: a.failed, Reason: a.reason})
	}
	select {
	case <-w.evidence:
	default:
	}
	w.evidence <- e // w.mu keeps others from filling it
}

// totals adds up the steps between samples.
type totals struct {
	last                                Sample // zero before the first, and after a failed sample
	counts, latency                     bool
	requests, errors, refused, upstream float64
	buckets                             map[float64]float64 // cumulative, as Kong has them
	workers                             string
	restarts                            uint64
}

// take adds a sample. Found means that the gateway exports metrics. Before the first request they hold no counters, and the counts are 0.
func (t *totals) take(s Sample, found bool, workers string) {
	t.latency = len(s.Buckets) > 0 || found && s.Requests == 0
	t.counts = s.Counted || found && len(s.Buckets) == 0
	if t.workers != "" && t.workers != workers {
		t.restarts++
	}
	t.workers = workers
	if !t.last.At.IsZero() && found {
		step := Between(t.last, s)
		t.requests += step.Requests
		t.errors += step.Errors
		t.refused += step.Refused
		t.upstream += step.Upstream
		if t.buckets == nil {
			t.buckets = map[float64]float64{}
		}
		for _, b := range step.Buckets {
			t.buckets[b.Bound] += b.Count
		}
	}
	if found || t.last.At.IsZero() {
		t.last = s
	}
}

func (t *totals) evidence() Evidence {
	e := Evidence{
		CountsRequests: t.counts, MeasuresLatency: t.latency, Requests: uint64(t.requests), Failed: uint64(t.errors + t.refused),
		UpstreamFailures: uint64(t.upstream), WorkerRestarts: t.restarts,
	}
	below := 0.0
	for _, bound := range slices.Sorted(maps.Keys(t.buckets)) {
		e.Counts = append(e.Counts, uint64(max(0, t.buckets[bound]-below)))
		below = max(below, t.buckets[bound])
		if !math.IsInf(bound, 1) {
			e.BoundsMS = append(e.BoundsMS, bound)
		}
	}
	return e
}
