package rollout

import "time"

// Ages are how long the phases of a rollout have lasted, measured by this leader alone. A wrong clock of another leader therefore neither
// ends a phase early nor halts a rollout. A phase may last longer after a change of leaders.
type Ages struct {
	Wave   time.Duration // the present wave
	Settle time.Duration // the present soak
	Fail   time.Duration // since too many nodes began to fail
	Load   time.Duration // since nodes were last told to load
	Idle   time.Duration // since the wave began or one more node served the candidate
}

// A Stopwatch measures the phases of one group's rollouts for one leader. The zero Stopwatch is ready for use.
type Stopwatch struct {
	wave, settle, fail, load mark
	serving                  int
	progress                 time.Time
}

// A mark is when this process first saw a time that a record holds.
type mark struct{ of, seen time.Time }

func (m *mark) age(now, of time.Time) time.Duration {
	if of.IsZero() {
		*m = mark{}
		return 0
	}
	if m.seen.IsZero() || !m.of.Equal(of) {
		*m = mark{of: of, seen: now}
	}
	return now.Sub(m.seen)
}

// Measure returns the ages of the phases of a rollout. Now must carry a monotonic reading. Serving is how many nodes of the wave serve the
// candidate.
func (w *Stopwatch) Measure(now time.Time, r *Rollout, serving int) Ages {
	if r == nil {
		*w = Stopwatch{}
		return Ages{}
	}
	before := w.wave
	ages := Ages{Wave: w.wave.age(now, r.WaveTime), Settle: w.settle.age(now, r.SettleTime), Fail: w.fail.age(now, r.FailTime),
		Load: w.load.age(now, r.LoadTime)}
	if w.wave != before || serving > w.serving || w.progress.IsZero() {
		w.progress, w.serving = now, serving
	}
	ages.Idle = now.Sub(w.progress)
	return ages
}
