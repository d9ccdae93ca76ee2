// Package health watches a gateway: it sends the group's probes through the gateway's proxy, samples Kong's metrics, and publishes both in
// the status, for load balancers and the registry. It never touches the gateway's configuration, and never reads the body of a probe's
// answer.
package health

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// kong is what a watch needs of a gateway.
type kong interface {
	ProxyGet(ctx context.Context, q gateway.ProxyRequest) (code int, err error)
	ProcessStats(ctx context.Context) (gateway.ProcessStats, error)
	Metrics(ctx context.Context, read func(io.Reader) error) (bool, error)
}

// Meters counts the results of probes.
type Meters interface {
	Probed(good bool)
}

// Deps are the dependencies of a Watch.
type Deps struct {
	Gateway kong
	Status  *status.Tracker
	Meters  Meters
	Log     *slog.Logger
	Sample  time.Duration // between samples; 0 is 10 s
}

const (
	defaultSample = 10 * time.Second
	windowSamples = 3
	sampleTimeout = 5 * time.Second
	// With many routes Kong takes long to answer /metrics. The interval grows so that it spends at most a fiftieth of the time on it.
	sampleShare = 50
	// observedShare is sampleShare while a rollout wants evidence.
	observedShare = 10
	lastSample    = 2 * time.Minute
	// withoutMetrics is how many samples pass before a gateway without metrics is asked for them again.
	withoutMetrics = 6
)

// The condition of a watch.
const probeFailing = "ProbeFailing"

// A Watch runs the loops of this package. Run may be called once; the other methods are safe for concurrent use.
type Watch struct {
	Deps
	bell     chan struct{} // capacity 1: the probes or the interval changed
	evidence chan Evidence // capacity 1: the newest
	started  time.Time

	mu       sync.Mutex
	wanted   []fleet.Probe
	running  []*probeRun // in the order of the probes
	traffic  *traffic
	totals   totals
	observed time.Duration // interval of evidence; 0: none is wanted
	sampled  time.Time     // when traffic took its last sample
	reported Report
	loads    int64 // as seen last
	loaded   time.Time
}

// traffic is the window of samples.
type traffic struct {
	last    Sample // zero before the first, and after a failed sample
	steps   []Step // the newest last
	workers string
	health  fleet.Health
}

// New returns a watch that sends no request before Run.
func New(d Deps) *Watch {
	if d.Sample <= 0 {
		d.Sample = defaultSample
	}
	return &Watch{Deps: d, bell: make(chan struct{}, 1), evidence: make(chan Evidence, 1), started: time.Now(), traffic: &traffic{}}
}

// SetProbes sets the probes. A probe that stays keeps its results. It never blocks.
func (w *Watch) SetProbes(probes []fleet.Probe) {
	filled := make([]fleet.Probe, 0, len(probes))
	for _, p := range probes {
		filled = append(filled, bounded(p))
	}
	w.mu.Lock()
	same := slices.EqualFunc(w.wanted, filled, sameProbe)
	w.wanted = filled
	w.mu.Unlock()
	if same {
		return
	}
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	var probes sync.WaitGroup
	defer probes.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before waiting
	sample := time.NewTimer(backoff.Jitter(w.Sample, 1))
	defer sample.Stop()
	absent := 0
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.bell:
			w.change(ctx, &probes)
			if every, _ := w.pace(); every < w.Sample {
				sample.Reset(backoff.Jitter(every, 1))
			}
		case <-sample.C:
			began := time.Now()
			w.sample(ctx, &absent)
			every, share := w.pace()
			sample.Reset(nextSample(backoff.Jitter(every, 0.1), time.Since(began), share))
		}
	}
}

// nextSample is the pause after a sample that took so long, so that the gateway spends at most one part of so many of the time on it.
func nextSample(every, took time.Duration, share int) time.Duration {
	return max(every, min(time.Duration(share)*took, lastSample))
}

// change starts the probes that are wanted now, and stops the others.
func (w *Watch) change(ctx context.Context, group *sync.WaitGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var next []*probeRun
	for _, p := range w.wanted {
		at := slices.IndexFunc(w.running, func(a *probeRun) bool { return sameProbe(a.probe, p) })
		if at >= 0 {
			next = append(next, w.running[at])
			w.running = slices.Delete(w.running, at, at+1)
			continue
		}
		own, stop := context.WithCancel(ctx)
		a := &probeRun{probe: p, stop: stop}
		next = append(next, a)
		group.Go(func() { w.runProbe(own, a) })
	}
	for _, gone := range w.running {
		gone.stop()
	}
	w.running = next
	w.show(time.Now(), false)
}

// sample reads the gateway's metrics. When the gateway does not answer, the last figures stay and the window starts again.
func (w *Watch) sample(ctx context.Context, absent *int) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	stats, err := w.Gateway.ProcessStats(ctx)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.traffic.last, w.traffic.steps = Sample{}, nil
		w.totals.last = Sample{}
		return
	}
	s := Sample{At: time.Now()}
	found := false
	if *absent == 0 {
		found, err = w.Gateway.Metrics(ctx, func(from io.Reader) (err error) {
			s, err = ReadSample(from)
			return err
		})
		s.At = time.Now()
		if err != nil {
			w.Log.Debug("the gateway's metrics were not read", "error", err)
		}
		if err != nil || !found {
			s, *absent = Sample{At: s.At}, withoutMetrics
		}
	}
	*absent = max(0, *absent-1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.totals.take(s, found, stats.Workers)
	w.publish(s.At)
	// While evidence is wanted, samples are more frequent than those of the window.
	if w.observed == 0 || s.At.Sub(w.sampled) >= w.Sample-w.Sample/10 {
		w.sampled = s.At
		w.traffic.take(s, stats, w.Sample)
		w.show(s.At, true)
	}
}

// take adds a sample to the window.
func (t *traffic) take(s Sample, v gateway.ProcessStats, every time.Duration) {
	if !t.last.At.IsZero() {
		t.steps = append(t.steps, Between(t.last, s))
		t.steps = t.steps[max(0, len(t.steps)-windowSamples):]
	}
	t.last = s
	if t.workers != "" && t.workers != v.Workers {
		t.health.WorkerRestarts++
	}
	t.workers = v.Workers
	h := fleet.Health{WorkerRestarts: t.health.WorkerRestarts, MemoryBytes: Round(v.Memory), Connections: new(Round(v.Connections)),
		Window: windowSamples * every}
	if len(t.steps) > 0 {
		all := Join(t.steps)
		h.Window = all.At.Sub(all.From).Round(every)
		if all.Counted {
			h.Requests, h.ServerErrors = new(Round(int64(all.Requests))), new(Round(int64(all.Errors)))
		}
		if d, ok := all.Quantile(0.5); ok {
			h.LatencyP50 = new(Round(d))
		}
		if d, ok := all.Quantile(0.99); ok {
			h.LatencyP99 = new(Round(d))
		}
	}
	t.health = h
}

// show publishes the health in the status, and decides whether to report it to the registry. The caller holds w.mu.
func (w *Watch) show(now time.Time, windowEnd bool) {
	h := w.traffic.health
	window := windowSamples * w.Sample
	var probes []status.Probe
	message := ""
	for _, a := range w.running {
		v := a.view()
		probes = append(probes, v)
		// The window of a rare probe holds at least three answers.
		h.Probes = append(h.Probes, a.within(now, max(window, 3**a.probe.Interval)))
		if v.Failing {
			if message != "" {
				message += "; "
			}
			message += v.Name() + ": " + v.Reason
		}
	}
	current := &h
	switch {
	case h.Window == 0 && len(probes) == 0:
		current = nil // no samples and no probes
	case h.Window == 0:
		h.Window = window
	}
	if view := w.Status.View(); view.Loads != w.loads {
		w.loads, w.loaded = view.Loads, now
	}
	if ReportDue(now, w.reported, current, w.loaded, windowEnd) {
		w.reported = Report{At: now, Health: current}
	}
	reported := w.reported.Health
	w.Status.Update(func(v *status.View) { v.Probes, v.Health, v.Reported = probes, current, reported })
	if message == "" {
		w.Status.Clear(probeFailing)
	} else {
		w.Status.Raise(probeFailing, message, now)
	}
}
