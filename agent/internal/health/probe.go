package health

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// bounded returns a probe with its defaults, and bounds values from a registry of another version.
func bounded(p fleet.Probe) fleet.Probe {
	p = p.Normal()
	interval := max(*p.Interval, time.Second)
	if timeout := *p.Timeout; timeout <= 0 || timeout >= interval {
		p.Timeout = new(min(2*time.Second, interval/2))
	}
	p.Interval = &interval
	return p
}

func sameProbe(a, b fleet.Probe) bool { return reflect.DeepEqual(a, b) }

// firstProbe bounds the delay of the first request of a new probe.
const firstProbe = time.Second

// probeRun is one probe and its results.
type probeRun struct {
	probe   fleet.Probe
	stop    context.CancelFunc
	streak  Streak
	since   time.Time // the streak fails, or is good
	reason  string    // of the last failure
	results []result
	sent    uint64 // since it was configured
	failed  uint64
}

type result struct {
	at     time.Time
	reason string // empty when it was good
}

// runProbe sends one probe until ctx ends. It begins after the first proof of serving.
func (w *Watch) runProbe(ctx context.Context, a *probeRun) {
	wait := backoff.Jitter(min(*a.probe.Interval, firstProbe), 1)
	for began := false; backoff.Sleep(ctx, wait) == nil; {
		if began = began || w.Status.View().Proven; !began {
			wait = min(*a.probe.Interval, firstProbe)
			continue
		}
		reason := w.send(ctx, a.probe)
		if ctx.Err() != nil {
			return
		}
		w.record(a, time.Now(), reason)
		wait = backoff.Jitter(*a.probe.Interval, 0.1)
	}
}

// send sends a probe. The reason is empty for a good answer, and holds only the status of a bad one.
func (w *Watch) send(ctx context.Context, p fleet.Probe) string {
	ctx, cancel := context.WithTimeout(ctx, *p.Timeout)
	defer cancel()
	code, err := w.Gateway.ProxyGet(ctx, gateway.ProxyRequest{Path: p.Path, Host: p.Host, Headers: p.Headers})
	switch {
	case ctx.Err() != nil:
		return "timeout"
	case err != nil:
		return "no answer"
	case code != p.Expect:
		return fmt.Sprintf("status %d", code)
	}
	return ""
}

// record adds a result.
func (w *Watch) record(a *probeRun, now time.Time, reason string) {
	w.Meters.Probed(reason == "")
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.running, a) {
		return // the probe was removed
	}
	before := a.streak
	a.streak = before.After(reason == "")
	if !before.Asked || before.Failing != a.streak.Failing {
		a.since = now
		w.Log.Info("probe result changed", "probe", a.view().Name(), "failing", a.streak.Failing, "reason", reason)
	}
	a.sent++
	if reason != "" {
		a.reason = reason
		a.failed++
	}
	switch flipped := before.Asked && before.Failing != a.streak.Failing; {
	case a.streak.Failing && (flipped || !before.Asked):
		w.Status.Record("ProbeFailing", a.view().Name()+": "+reason, now)
	case flipped:
		w.Status.Record("ProbeGood", a.view().Name()+" succeeds again", now)
	}
	a.results = append(a.results, result{at: now, reason: reason})
	if before.Asked != a.streak.Asked || before.Failing != a.streak.Failing {
		w.show(now, false)
	}
}

func (a *probeRun) view() status.Probe {
	v := status.Probe{Path: a.probe.Path, Host: a.probe.Host, Readiness: a.probe.Readiness, Asked: a.streak.Asked, Failing: a.streak.Failing,
		Since: a.since}
	if v.Failing {
		v.Reason = a.reason
	}
	return v
}

// within drops the results before the window, and sums up the others.
func (a *probeRun) within(now time.Time, window time.Duration) fleet.ProbeResult {
	a.results = slices.DeleteFunc(a.results, func(r result) bool { return now.Sub(r.at) > window })
	out := fleet.ProbeResult{Path: a.probe.Path, Host: a.probe.Host, Sent: len(a.results), Failing: a.streak.Failing}
	for _, r := range a.results {
		if r.reason != "" {
			out.Failed++
			out.Reason = r.reason
		}
	}
	return out
}
