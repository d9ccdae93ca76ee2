package backoff_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
)

func TestPausesDoubleUpToTheCap(t *testing.T) {
	const almostOne = 1 - 1e-9
	for _, tt := range []struct {
		name     string
		policy   backoff.Policy
		failures int
		chance   float64
		want     time.Duration
	}{
		{name: "no failure is like the first", policy: backoff.Policy{Base: 100, Cap: 1000}, failures: 0, want: 100},
		{name: "the first failure waits for the base", policy: backoff.Policy{Base: 100, Cap: 1000}, failures: 1, want: 100},
		{name: "each failure doubles the pause", policy: backoff.Policy{Base: 100, Cap: 1000}, failures: 4, want: 800},
		{name: "no pause is over the cap", policy: backoff.Policy{Base: 100, Cap: 1000}, failures: 5, want: 1000},
		{name: "any number of failures overflows nothing", policy: backoff.Policy{Base: time.Hour, Cap: math.MaxInt64}, failures: math.MaxInt,
			want: math.MaxInt64},
		{name: "a base over the cap is the cap", policy: backoff.Policy{Base: 100, Cap: 10}, failures: 1, want: 10},
		{name: "the shortest pause of half jitter", policy: backoff.Policy{Base: 100, Cap: 1000, Jitter: 0.5}, failures: 2, want: 100},
		{name: "the middle of half jitter", policy: backoff.Policy{Base: 100, Cap: 1000, Jitter: 0.5}, failures: 2, chance: 0.5, want: 150},
		{name: "the longest pause of half jitter", policy: backoff.Policy{Base: 1e6, Cap: 1e7, Jitter: 0.5}, failures: 1,
			chance: almostOne, want: 1e6},
		{name: "the shortest pause of full jitter", policy: backoff.Policy{Base: 100, Cap: 1000, Jitter: 1}, failures: 9, want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.policy.Pause(tt.failures, tt.chance); got != tt.want {
				t.Errorf("%+v after %d failures with chance %v waits %d, want %d", tt.policy, tt.failures, tt.chance, got, tt.want)
			}
		})
	}
}

func TestABackoffGrowsUntilItIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff.Backoff{Policy: backoff.Policy{Base: time.Second, Cap: 4 * time.Second}}
		for i, want := range []time.Duration{1, 2, 4, 4, 1, 2} {
			if i == 4 {
				b.Reset()
			}
			began := time.Now()
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != want*time.Second {
				t.Errorf("pause %d took %s, want %s", i, got, want*time.Second)
			}
		}
	})
}

func TestEveryPauseIsWithinTheJitter(t *testing.T) {
	b := backoff.Backoff{Policy: backoff.Policy{Base: time.Second, Cap: time.Second, Jitter: 0.5}}
	different := map[time.Duration]bool{}
	for range 100 {
		pause := b.Next()
		if pause < time.Second/2 || pause > time.Second {
			t.Fatalf("a pause of %s is outside of 500ms to 1s", pause)
		}
		different[pause] = true
	}
	if len(different) < 2 {
		t.Error("100 pauses are the same")
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		began := time.Now()
		if err := backoff.Sleep(ctx, time.Hour); !errors.Is(err, stop) {
			t.Errorf("Sleep returned %v, want the cause", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
