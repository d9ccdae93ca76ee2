package health

import (
	"math"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

const (
	// reportEvery is the least time between two reports of changed figures. For afterLoad after a load each change is reported, because a
	// rollout uses them.
	reportEvery = 30 * time.Second
	afterLoad   = 10 * time.Minute
)

// A Report is when and what the registry was sent last. The zero Report means nothing yet.
type Report struct {
	At     time.Time
	Health *fleet.Health
}

// ReportDue decides whether to report the gateway's health to the registry: at once when a probe began to fail or to succeed;
// after each window in the ten minutes after a load; and otherwise every 30 s when the figures differ from the last report.
// Loaded is when the last load ended, zero for none. WindowEnd means that figures were just sampled.
func ReportDue(now time.Time, reported Report, current *fleet.Health, loaded time.Time, windowEnd bool) bool {
	switch {
	case current == nil:
		return false
	case reported.Health == nil, flipped(reported.Health.Probes, current.Probes):
		return true
	case !windowEnd || same(reported.Health, current):
		return false
	}
	return !loaded.IsZero() && now.Sub(loaded) < afterLoad || now.Sub(reported.At) >= reportEvery
}

// flipped reports whether the set of probes or of failing probes changed.
func flipped(reported, current []fleet.ProbeResult) bool {
	if len(reported) != len(current) {
		return true
	}
	for i := range current {
		if reported[i].Path != current[i].Path || reported[i].Host != current[i].Host || reported[i].Failing != current[i].Failing {
			return true
		}
	}
	return false
}

// Two figures count as the same when they differ by at most a share, or by little. Memory, connections and the number of probes in a window
// vary all the time, and a steady node reports nothing.
const (
	nearShare      = 0.25
	nearRequests   = 5
	nearFailures   = 2                     // of a probe; the change from or to 0 always counts
	nearLatency    = 25 * time.Millisecond // Kong's first bucket
	nearConnection = 5
	nearMemory     = 8 << 20
)

func same(a, b *fleet.Health) bool {
	if a.WorkerRestarts != b.WorkerRestarts || !near(a.MemoryBytes, b.MemoryBytes, nearMemory) ||
		!nearOptional(a.Requests, b.Requests, nearRequests) || !nearOptional(a.Connections, b.Connections, nearConnection) ||
		!nearOptional(a.LatencyP50, b.LatencyP50, nearLatency) || !nearOptional(a.LatencyP99, b.LatencyP99, nearLatency) ||
		// Gates use the errors, so any change counts.
		!nearOptional(a.ServerErrors, b.ServerErrors, 0) {
		return false
	}
	for i := range b.Probes {
		x, y := a.Probes[i], b.Probes[i]
		if (x.Sent == 0) != (y.Sent == 0) || (x.Failed == 0) != (y.Failed == 0) || !near(x.Failed, y.Failed, nearFailures) ||
			!near(x.Sent, y.Sent, nearRequests) || x.Reason != y.Reason {
			return false
		}
	}
	return true
}

type figure interface{ ~int | ~int64 }

func nearOptional[T figure](a, b *T, little T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return near(*a, *b, little)
}

func near[T figure](a, b, little T) bool {
	difference := max(a, b) - min(a, b)
	if difference <= little {
		return true
	}
	return little > 0 && float64(difference) <= nearShare*float64(max(a, b))
}

// Round returns a figure to two significant digits.
func Round[T figure](n T) T {
	if n == 0 {
		return 0
	}
	unit := math.Pow(10, max(0, math.Floor(math.Log10(math.Abs(float64(n))))-1))
	return T(math.Round(float64(n)/unit) * unit)
}
