package gate

import (
	"math"
	"slices"
	"testing"
	"time"
)

var kong = []float64{25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000}

// latencies returns n nodes with the same counts in the first buckets.
func latencies(n int, counts ...uint64) []Histogram {
	return slices.Repeat([]Histogram{{kong, append(counts, make([]uint64, len(kong)+1-len(counts))...)}}, n)
}

func TestSlowerBy(t *testing.T) {
	usual := []uint64{0, 900, 80, 15, 5}
	for _, tt := range []struct {
		name              string
		wave, others, own []Histogram
		q, factor         float64
		before            bool
		worse, known      bool
	}{
		{name: "as fast as elsewhere", wave: latencies(1, usual...), others: latencies(11, usual...), q: 0.99, factor: 1.5, known: true},
		{
			name: "p99 five times as long", wave: latencies(1, 0, 0, 10, 40, 150, 720, 65, 10, 5), others: latencies(11, usual...),
			q: 0.99, factor: 1.5, worse: true, known: true,
		},
		{
			name: "p50 five times as long in 60 requests", wave: latencies(1, 0, 0, 0, 0, 60), others: latencies(11, 0, 60),
			q: 0.5, factor: 1.5, worse: true, known: true,
		},
		{
			name: "within the limit", wave: latencies(1, 0, 0, 0, 0, 60), others: latencies(11, 0, 60),
			q: 0.5, factor: 6, known: true,
		},
		{
			name: "slow everywhere", wave: latencies(1, 0, 0, 0, 0, 60), others: latencies(11, 0, 0, 0, 0, 60),
			q: 0.5, factor: 1.5, known: true,
		},
		{
			name: "the others have too few requests for their p99", wave: latencies(1, 0, 0, 0, 0, 0, 60), others: latencies(1, 0, 60),
			q: 0.99, factor: 1.5,
		},
		{
			name: "a node that was as slow before", wave: latencies(1, 0, 0, 0, 0, 1000), others: latencies(11, 0, 1000),
			own: latencies(1, 0, 0, 0, 0, 5000), q: 0.5, factor: 1.5, known: true,
		},
		{
			name: "slow for half of a short window, beside before", wave: latencies(1, 0, 400, 0, 0, 0, 600), others: latencies(1, 0, 9000),
			q: 0.5, factor: 1.5, before: true, known: true,
		},
		{name: "no requests", wave: latencies(1, 0), others: latencies(11, usual...), q: 0.99, factor: 1.5},
		{name: "nothing to compare with", wave: latencies(1, usual...), q: 0.99, factor: 1.5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			worse, bound, known := SlowerBy(tt.wave, tt.others, tt.own, tt.q, tt.factor, Look{Window: 10 * time.Second, Before: tt.before})
			if worse != tt.worse || known != tt.known {
				t.Errorf("got worse %t, known %t, held to %v ms; want %t and %t", worse, known, bound, tt.worse, tt.known)
			}
		})
	}
}

func TestQuantilesAndTailsAgree(t *testing.T) {
	h := Histogram{Bounds: []float64{10, 20, 50}, Counts: []uint64{50, 30, 15, 5}}
	for _, tt := range []struct{ q, ms float64 }{{0.5, 10}, {0.65, 15}, {0.8, 20}, {0.95, 50}} {
		if got, known := h.Quantile(tt.q); !known || math.Abs(got-tt.ms) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", tt.q, got, tt.ms)
		}
		if got := h.Over(tt.ms); math.Abs(got.Share()-(1-tt.q)) > 1e-9 {
			t.Errorf("%+v are over %v ms, want %v", got, tt.ms, 1-tt.q)
		}
	}
	if got, known := h.Quantile(0.99); !known || !math.IsInf(got, 1) {
		t.Errorf("quantile 0.99 is %v, want what is beyond all bounds", got)
	}
	if got, known := (Histogram{}).Quantile(0.5); known {
		t.Errorf("the quantile of nothing is %v", got)
	}
	if got := h.Over(60); got.Hits != 0 {
		t.Errorf("nothing is known beyond the last bound: %+v", got)
	}
}

// Where the others are so slow that no bucket is above the limit, a wave that is within the buckets is not worse, and that is known.
func TestAQuickWaveBesideSlowNodesIsNotWorse(t *testing.T) {
	slow := []Histogram{{Bounds: []float64{10, 100}, Counts: []uint64{0, 0, 200}}}
	quick := []Histogram{{Bounds: []float64{10, 100}, Counts: []uint64{150, 50, 0}}}
	if worse, bound, known := SlowerBy(quick, slow, nil, 0.99, 1.5, Look{}); worse || !known || bound != 100 {
		t.Errorf("a quick wave: %v beside the bound %v, %v", worse, bound, known)
	}
	if _, _, known := SlowerBy(slow, slow, nil, 0.99, 1.5, Look{}); known {
		t.Error("how slow a wave is that is above every bucket is not known")
	}
}
