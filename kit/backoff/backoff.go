// Package backoff spaces retries and periodic work. Pauses double from a base to a cap. A random part of each pause is left out, so that
// the processes of a fleet do not act at the same time. The package decides how long to wait, never whether to try again.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Policy determines the pauses after failures. It is a value and safe for concurrent use.
type Policy struct {
	Base   time.Duration // the pause after the first failure, before jitter
	Cap    time.Duration // no pause is longer
	Jitter float64       // the fraction of a pause that is random, from 0 (none) to 1 (all of it)
}

// Pause returns the pause after a number of failures in a row; 0 and 1 both mean the first. chance is a random number in [0, 1): callers
// whose decisions are pure pass it in.
func (p Policy) Pause(failures int, chance float64) time.Duration {
	pause := min(p.Base, p.Cap)
	for i := 1; i < failures && pause > 0 && pause < p.Cap; i++ {
		if pause > p.Cap/2 {
			pause = p.Cap
		} else {
			pause *= 2
		}
	}
	return Jittered(pause, p.Jitter, chance)
}

// Jittered returns d without a random part: at least (1-jitter)*d, and less than d unless jitter is 0. chance is a random number in [0, 1).
func Jittered(d time.Duration, jitter, chance float64) time.Duration {
	return d - time.Duration(float64(d)*jitter*(1-chance))
}

// Jitter is Jittered with a random number.
func Jitter(d time.Duration, jitter float64) time.Duration {
	return Jittered(d, jitter, rand.Float64())
}

// A Backoff counts the failures of one loop. It belongs to one goroutine.
type Backoff struct {
	Policy
	failures int
}

// Next counts a failure and returns the pause after it.
func (b *Backoff) Next() time.Duration {
	b.failures++
	return b.Pause(b.failures, rand.Float64())
}

// Wait counts a failure and sleeps for the pause after it. It returns the cause of ctx when that ends first.
func (b *Backoff) Wait(ctx context.Context) error { return Sleep(ctx, b.Next()) }

// Reset sets the number of failures to 0. Call it after a success.
func (b *Backoff) Reset() { b.failures = 0 }

// Sleep waits for d. It returns the cause of ctx when that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
