package gate

import (
	"math"
	"testing"
)

func TestEndsOfTheSequence(t *testing.T) {
	for _, tt := range []struct {
		hits, of  float64
		low, high float64
	}{
		{0, 0, 0, 1},
		{0, 1, 0, 1},
		{0, 1000, 0, 0.0132},
		{1000, 1000, 0.9868, 1},
		{50, 100, 0.2713, 0.7287},
		{5, 5, 0.1195, 1},
	} {
		c := Count{tt.hits, tt.of}
		if low, high := c.Low(), c.High(); math.Abs(low-tt.low) > 1e-3 || math.Abs(high-tt.high) > 1e-3 {
			t.Errorf("%v of %v lies between %.4f and %.4f, want %.4f and %.4f", tt.hits, tt.of, low, high, tt.low, tt.high)
		}
	}
}

// The sequence is checked against its definition, by a sum in place of a closed form: the mixture is the mean likelihood under the prior.
func TestTheMixtureIsTheMeanLikelihood(t *testing.T) {
	const steps = 200_000
	c := Count{7, 20}
	sum := 0.0
	for i := range steps {
		// p = sin^2(x) has the density of the prior when x is even between 0 and pi/2.
		x := (float64(i) + 0.5) / steps * math.Pi / 2
		sum += math.Exp(c.logLikelihood(math.Sin(x) * math.Sin(x)))
	}
	want := math.Log(sum / steps)
	if got := logBeta(c.Hits+0.5, c.Of-c.Hits+0.5) - logBeta(0.5, 0.5); math.Abs(got-want) > 1e-6 {
		t.Errorf("the mixture is %v, want %v", got, want)
	}
}

func TestDispersionOfNodes(t *testing.T) {
	alike := []Count{{10, 1000}, {11, 1000}, {9, 1000}, {10, 1000}}
	if d := Dispersion(alike); d != 1 {
		t.Errorf("nodes that are alike: %v", d)
	}
	apart := []Count{{0, 1000}, {60, 1000}, {2, 1000}, {1, 1000}}
	if d := Dispersion(apart); d < 20 {
		t.Errorf("nodes that differ: %v", d)
	}
	if d := Dispersion(alike[:2]); d != fewNodes {
		t.Errorf("two nodes: %v", d)
	}
	if d := Dispersion([]Count{{0, 1000}, {0, 1000}, {0, 1000}}); d != 1 {
		t.Errorf("no failure at all: %v", d)
	}
}

func TestWorse(t *testing.T) {
	quiet := []Count{{0, 500}, {1, 500}, {0, 500}, {1, 500}}
	for _, tt := range []struct {
		name         string
		wave, others []Count
		want         bool
	}{
		{"every request fails", []Count{{10, 10}}, quiet, true},
		{"half of them fail", []Count{{10, 20}}, quiet, true},
		{"some fail, as elsewhere", []Count{{50, 1000}}, []Count{{50, 1000}, {48, 1000}, {55, 1000}}, false},
		{"a failure of three", []Count{{1, 3}}, quiet, false},
		{"within the limit", []Count{{10, 1000}}, quiet, false},
		{"a node that others are like", []Count{{60, 1000}}, []Count{{0, 1000}, {60, 1000}, {2, 1000}, {1, 1000}}, false},
		{"nothing to compare with", []Count{{10, 10}}, nil, false},
		{"no traffic in the wave", []Count{{0, 0}}, quiet, false},
	} {
		if got := Worse(tt.wave, tt.others, 0.01); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestLatency(t *testing.T) {
	bounds := []float64{25, 50, 80, 100, 250, 400, 700, 1000}
	of := func(counts ...uint64) Histogram {
		return Histogram{Bounds: bounds, Counts: append(counts, make([]uint64, len(bounds)+1-len(counts))...)}
	}
	if q, ok := of(50, 50).Quantile(0.99); !ok || q != 49.5 {
		t.Errorf("p99 is %v", q)
	}
	if q, ok := of(0, 0, 0, 0, 0, 0, 0, 0, 5).Quantile(0.5); !ok || !math.IsInf(q, 1) {
		t.Errorf("beyond the last bound it is %v", q)
	}
	if _, ok := of().Quantile(0.5); ok {
		t.Error("no request has a quantile")
	}
	quick := []Histogram{of(100, 300, 90, 10), of(100, 300, 95, 5), of(100, 300, 92, 8)}
	for _, tt := range []struct {
		name string
		wave Histogram
		want bool
	}{
		{"the same", of(100, 300, 90, 10), false},
		{"five times as slow", of(0, 0, 0, 10, 100, 90), true},
		{"a slow one in a hundred", of(20, 60, 18, 1, 1), false},
		{"no request", of(), false},
	} {
		worse, bound, known := SlowerBy([]Histogram{tt.wave}, quick, 0.99, 1.5)
		if worse != tt.want || !known || bound != 250 {
			t.Errorf("%s: %v beside the bound %v, %v", tt.name, worse, bound, known)
		}
	}
	// Where the others are so slow that no bucket is above the limit, a wave that is within the buckets is not worse, and that is known.
	slow := []Histogram{of(0, 0, 0, 0, 0, 0, 0, 200)}
	if worse, bound, known := SlowerBy([]Histogram{of(100, 300, 90, 10)}, slow, 0.99, 1.5); worse || !known || bound != bounds[len(bounds)-1] {
		t.Errorf("a quick wave beside slow nodes: %v beside the bound %v, %v", worse, bound, known)
	}
	if _, _, known := SlowerBy([]Histogram{of(0, 0, 0, 0, 0, 0, 0, 0, 200)}, slow, 0.99, 1.5); known {
		t.Error("how slow a wave is that is above every bucket is not known")
	}
}
