package simulate

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/services/distributor/internal/gate"
)

// The command gatesim plays 100,000.
func TestHealthyRolloutsAreNotStopped(t *testing.T) {
	h := Healthy(1, 2000, 2)
	if h.Rate() > gate.Promise {
		t.Errorf("%.3g %% of the healthy rollouts were stopped; promised are %.3g %%: %+v", 100*h.Rate(), 100*gate.Promise, h)
	}
	if h.Inconclusive == 0 || h.Inconclusive > h.Rollouts/2 {
		t.Errorf("%d of %d rollouts had an inconclusive wave: the settings have too much traffic or too little", h.Inconclusive, h.Rollouts)
	}
}

// What docs/gates.md promises of a group with 20, 200 and 2,000 requests a second and node, with room for chance.
func TestHarmIsSeen(t *testing.T) {
	within := map[string]struct {
		rate   float64
		median time.Duration
		missed float64 // share that may be missed within a minute
	}{
		"1 % errors, errors +0.2 %, 12 nodes": {2000, 10 * time.Second, 0.01},
		"5 % errors, errors +1 %, 12 nodes":   {200, 8 * time.Second, 0.01},
		"50 % errors, errors +1 %, 12 nodes":  {20, 3 * time.Second, 0},
		"100 % errors, errors +1 %, 12 nodes": {20, 2 * time.Second, 0},
		"latency x1.5, p50 +20 %, 12 nodes":   {2000, 8 * time.Second, 0.1},
		"latency x5, p50 +50 %, 12 nodes":     {20, 5 * time.Second, 0},
		"latency x5, p99 +50 %, 12 nodes":     {200, 4 * time.Second, 0.01},
		"100 % errors, errors +1 %, 1 node":   {20, 4 * time.Second, 0},
		"50 % errors, errors +1 %, 1 node":    {20, 30 * time.Second, 0.05},
	}
	for _, c := range Cases() {
		name := c.Name + ", " + c.Limit + ", 12 nodes"
		if c.Alone {
			name = c.Name + ", " + c.Limit + ", 1 node"
		}
		want, ok := within[name]
		if !ok {
			continue
		}
		delete(within, name)
		t.Run(name, func(t *testing.T) {
			d := Detect(1, 200, 2, c.Setting(want.rate), c.Limits, c.Harm)
			if d.Median <= 0 || d.Median > want.median || d.Undetected > want.missed {
				t.Errorf("at %v requests a second: seen in %v, %.1f %% not in a minute; want %v and %.1f %%",
					want.rate, d.Median, 100*d.Undetected, want.median, 100*want.missed)
			}
		})
	}
	for name := range within {
		t.Errorf("no such case: %s", name)
	}
}

func TestNoHarmIsSeenWithoutOne(t *testing.T) {
	for _, c := range Cases() {
		if d := Detect(2, 50, 2, c.Setting(200), c.Limits, Harm{}); d.Undetected < 1 {
			t.Errorf("%s: %.0f %% of the harmless were found harmful", c.Limit, 100*(1-d.Undetected))
		}
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	if one, many := Healthy(7, 100, 1), Healthy(7, 100, 4); !reflect.DeepEqual(one, many) {
		t.Errorf("one processor: %+v\nfour: %+v", one, many)
	}
}

func TestSamplersHaveTheirMeanAndVariance(t *testing.T) {
	const draws = 20000
	r := rand.New(rand.NewPCG(1, 2))
	check := func(name string, draw func() uint64, mean, variance float64) {
		t.Helper()
		sum, squares := 0.0, 0.0
		for range draws {
			v := float64(draw())
			sum += v
			squares += (v - mean) * (v - mean)
		}
		if got := sum / draws; math.Abs(got-mean) > 5*math.Sqrt(variance/draws) {
			t.Errorf("%s: mean %v, want %v", name, got, mean)
		}
		if got := squares / draws; math.Abs(got-variance) > 0.1*variance {
			t.Errorf("%s: variance %v, want %v", name, got, variance)
		}
	}
	for _, mean := range []float64{0.05, 0.5, 3, 9.9, 10.1, 40, 3000} {
		check("poisson", func() uint64 { return poisson(r, mean) }, mean, mean)
	}
	for _, tt := range []struct {
		n uint64
		p float64
	}{{10, 0.5}, {40, 0.95}, {1000, 0.3}, {1000, 0.97}} {
		n := float64(tt.n)
		check("binomial", func() uint64 { return binomial(r, tt.n, tt.p) }, n*tt.p, n*tt.p*(1-tt.p))
	}
}
