// Package simulate plays the watching of waves with random traffic, to measure how often gates stop healthy rollouts and how soon they stop
// others. The traffic is made by rules of its own: nodes with rates from 0.1 to 500 requests a second, shares of failures from none to 5 %
// that differ from node to node by half of their mean, failures that come together within a second, shared bursts of failures, and
// latency that differs from node to node.
package simulate

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/silverback-gateway/silverback/services/distributor/internal/gate"
)

// Limits are those of the gates that are played.
type Limits struct {
	Increase    float64 // of the share of failures
	LeastNumber float64 // of requests, on each side
	Quantile    float64
	Slower      float64 // the factor that the quantile may grow by
}

// DefaultLimits are those of the examples: error-ratio=1%, latency=p99+50%.
var DefaultLimits = Limits{Increase: 0.01, LeastNumber: 50, Quantile: 0.99, Slower: 1.5}

// bounds are those of Kong's request latency.
var bounds = []float64{25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000}

// A node is what its traffic is drawn from.
type node struct {
	rate    float64 // requests a second
	fails   float64 // share
	median  float64 // of latency, in milliseconds
	spread  float64 // of its logarithm
	clumped float64 // how much failures come together within a second
}

// seen is what was counted of a node so far.
type seen struct {
	count   gate.Count
	latency gate.Histogram
}

// Traffic is a fleet with a wave.
type Traffic struct {
	rng          *rand.Rand
	wave, others []node
	bursts       float64 // the chance of a shared burst in a second
	burst        int     // how many seconds are left of one
}

func (t *Traffic) between(low, high float64) float64 { return low + (high-low)*t.rng.Float64() }

func (t *Traffic) logBetween(low, high float64) float64 {
	return math.Exp(t.between(math.Log(low), math.Log(high)))
}

// Random returns a healthy fleet: what the nodes of the wave are drawn from is what the others are.
func Random(rng *rand.Rand) *Traffic {
	t := &Traffic{rng: rng}
	rate, fails := t.logBetween(0.1, 500), 0.0
	if rng.Float64() > 0.3 {
		fails = t.logBetween(1e-4, 5e-2)
	}
	median, spread, clumped := t.logBetween(5, 300), t.between(0.3, 0.8), 0.0
	if rng.Float64() > 0.5 {
		clumped = t.between(0, 0.05)
	}
	if rng.Float64() > 0.5 {
		t.bursts = 0.01
	}
	nodes := 2 + rng.IntN(14)
	size := 1 + rng.IntN(max(1, nodes/3))
	for i := range nodes {
		n := node{rate: rate * math.Exp(0.5*rng.NormFloat64()), fails: min(0.5, fails*t.gamma(4)/4),
			median: median * math.Exp(0.1*rng.NormFloat64()),
			spread: spread, clumped: clumped}
		if i < size {
			t.wave = append(t.wave, n)
		} else {
			t.others = append(t.others, n)
		}
	}
	return t
}

// Harmed returns a fleet of ten nodes with 0.1 % of failures, of which one is in the wave: there so many more fail, and latency grows by a
// factor.
func Harmed(rng *rand.Rand, rate, fails, slower float64) *Traffic {
	t := &Traffic{rng: rng}
	for i := range 10 {
		n := node{rate: rate, fails: 0.001, median: 40, spread: 0.5}
		if i == 0 {
			n.fails = min(1, n.fails+fails)
			n.median *= slower
			t.wave = append(t.wave, n)
		} else {
			t.others = append(t.others, n)
		}
	}
	return t
}

// Watch plays seconds of traffic and looks after each. It returns the second in which each gate failed first; 0 is never.
func (t *Traffic) Watch(seconds int, l Limits) (errors, latency int) {
	wave, others := make([]seen, len(t.wave)), make([]seen, len(t.others))
	for second := 1; second <= seconds && (errors == 0 || latency == 0); second++ {
		extra := 0.0
		if t.burst--; t.burst > 0 {
			extra = 0.1
		} else if t.rng.Float64() < t.bursts {
			t.burst = 1 + t.rng.IntN(3)
		}
		t.play(t.wave, wave, extra)
		t.play(t.others, others, extra)
		if errors == 0 && gate.Worse(counts(wave), counts(others), l.Increase) {
			errors = second
		}
		if worse, _, known := gate.SlowerBy(histograms(wave), histograms(others), l.Quantile, l.Slower); latency == 0 && known && worse {
			latency = second
		}
	}
	return errors, latency
}

// play adds a second.
func (t *Traffic) play(nodes []node, all []seen, extra float64) {
	for i, n := range nodes {
		s := &all[i]
		if s.latency.Counts == nil {
			s.latency = gate.Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
		}
		requests := t.poisson(n.rate)
		p := min(1, n.fails+extra)
		if n.clumped > 0 && p > 0 && p < 1 {
			// A share that is drawn anew each second from a beta distribution has failures come together.
			size := 1/n.clumped - 1
			x, y := t.gamma(p*size), t.gamma((1-p)*size)
			p = x / max(x+y, math.SmallestNonzeroFloat64)
		}
		s.count.Of += float64(requests)
		s.count.Hits += float64(t.binomial(requests, p))
		left, above := requests, 1.0
		for b, bound := range bounds {
			if left == 0 {
				break
			}
			slower := 0.5 * math.Erfc((math.Log(bound)-math.Log(n.median))/n.spread/math.Sqrt2)
			in := left
			if above > 0 {
				in = t.binomial(left, min(1, max(0, 1-slower/above)))
			}
			s.latency.Counts[b] += uint64(in)
			left, above = left-in, slower
		}
		s.latency.Counts[len(bounds)] += uint64(left)
	}
}

func counts(all []seen) (out []gate.Count) {
	for _, s := range all {
		out = append(out, s.count)
	}
	return out
}

func histograms(all []seen) (out []gate.Histogram) {
	for _, s := range all {
		out = append(out, s.latency)
	}
	return out
}

// many is from which variance on a normal distribution is close enough.
const many = 30

func (t *Traffic) poisson(mean float64) int {
	if mean > many {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*t.rng.NormFloat64())))
	}
	n, product, limit := 0, t.rng.Float64(), math.Exp(-mean)
	for product > limit {
		product *= t.rng.Float64()
		n++
	}
	return n
}

func (t *Traffic) binomial(n int, p float64) int {
	switch {
	case n == 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - t.binomial(n, 1-p)
	}
	if variance := float64(n) * p * (1 - p); variance > many {
		return min(n, max(0, int(math.Round(float64(n)*p+math.Sqrt(variance)*t.rng.NormFloat64()))))
	}
	// The gaps between hits are geometric.
	hits, log := 0, math.Log1p(-p)
	for at := 0.0; ; hits++ {
		at += math.Floor(math.Log(1-t.rng.Float64())/log) + 1
		if at > float64(n) {
			return hits
		}
	}
}

// gamma draws from a gamma distribution of that shape (Marsaglia and Tsang, 2000).
func (t *Traffic) gamma(shape float64) float64 {
	if shape < 1 {
		return t.gamma(shape+1) * math.Pow(t.rng.Float64(), 1/max(shape, 1e-9))
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := t.rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		if v = v * v * v; math.Log(1-t.rng.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// Healthy plays healthy rollouts, each watched for 10 to 60 seconds, and returns how many each gate stopped. The same seed gives the same.
func Healthy(rollouts int, seed uint64, l Limits) (errors, latency int) {
	for i := range rollouts {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		e, s := Random(rng).Watch(10+rng.IntN(51), l)
		if e > 0 {
			errors++
		}
		if s > 0 {
			latency++
		}
	}
	return errors, latency
}

// A Detection is how soon one kind of harm was found.
type Detection struct {
	Median, P95 int // seconds; 0: not found by then
	Missed      int // of all, within the time
	Of          int
}

// Detect plays rollouts that do harm, each watched for a minute.
func Detect(rollouts int, seed uint64, rate, fails, slower float64, l Limits) Detection {
	var found []int
	d := Detection{Of: rollouts}
	for i := range rollouts {
		errors, latency := Harmed(rand.New(rand.NewPCG(seed, uint64(i))), rate, fails, slower).Watch(60, l)
		at := errors
		if at == 0 || latency > 0 && latency < at {
			at = latency
		}
		if at == 0 {
			d.Missed++
			at = math.MaxInt
		}
		found = append(found, at)
	}
	slices.Sort(found)
	at := func(q float64) int {
		if second := found[int(q*float64(len(found)-1))]; second != math.MaxInt {
			return second
		}
		return 0
	}
	d.Median, d.P95 = at(0.5), at(0.95)
	return d
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
