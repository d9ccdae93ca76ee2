package chaos_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/test/chaos/check"
)

// timed is something to do at a time within a seed.
type timed struct {
	at time.Duration
	do func()
}

// drawFaults draws the faults of a seed: what to do when, in the order of time, and what to do once the fleet has converged.
func drawFaults(a *arena, rec *recorder, chance *rand.Rand, span, hold time.Duration) (script, atLast []timed) {
	taken := map[string]bool{}
	for range 1 + chance.IntN(maxFaults) {
		f := pick(chance, makers)(a, chance)
		if taken[f.victim] {
			continue
		}
		taken[f.victim] = true
		if f.unable != nil {
			a.t.Logf("not made: %s: %v", f.name, f.unable)
			continue
		}
		begin := time.Duration(chance.Int64N(int64(span - hold)))
		end := begin + time.Duration(chance.Int64N(int64(hold)))
		a.t.Logf("%s %s, from %s to %s", f.name, f.node, begin.Round(time.Millisecond), end.Round(time.Millisecond))
		over := timed{end, func() { f.end(); rec.add(check.Event{Kind: check.Disturbed, Node: f.node, Text: f.name, Over: true}) }}
		script = append(script, timed{begin, func() { rec.add(check.Event{Kind: check.Disturbed, Node: f.node, Text: f.name}); f.begin() }})
		if f.last {
			atLast = append(atLast, over)
		} else {
			script = append(script, over)
		}
	}
	slices.SortStableFunc(script, func(a, b timed) int { return int(a.at - b.at) })
	return script, atLast
}

// playFaults does what was drawn, each at its time.
func playFaults(script []timed) {
	began := time.Now()
	for _, step := range script {
		<-time.After(time.Until(began.Add(step.at)))
		step.do()
	}
}
