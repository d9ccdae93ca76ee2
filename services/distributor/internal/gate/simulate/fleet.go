package simulate

import (
	"math"
	"math/rand/v2"

	"github.com/silverback-gateway/silverback/services/distributor/internal/gate"
)

// bounds are those of kong_request_latency_ms in Kong 3.9.
var bounds = []float64{25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000}

const buckets = 14

// A Setting is what a fleet is drawn from.
type Setting struct {
	Nodes     int     // in the group
	Rate      float64 // requests a second of the mean node
	Errors    float64 // share that fails of the mean node
	NodeError float64 // how far apart nodes' shares are, as standard deviation of the logarithm
	Noise     float64 // how far a node's share moves from second to second, likewise; half as much is left a second later
	Bursts    float64 // bursts a second in which many requests fail and are slow, on all nodes at once
	Median    float64 // latency, milliseconds
	Width     float64 // of latency, as standard deviation of the logarithm
	NodeSlow  float64 // how far apart nodes' latencies are, likewise
	Clumps    bool    // requests fare alike in pairs
	Known     bool    // the minutes before the rollout are known
	Sick      bool    // one of the nodes fails more often and is slower than the others, and was so before
}

// Draw draws a setting: from a group of one to 24 nodes, from 0.1 to 2,000 requests a second each, up to 5 % errors.
func Draw(r *rand.Rand) Setting {
	s := Setting{
		Nodes:     int(between(r, 1, 25)),
		Rate:      between(r, 0.1, 2000),
		Errors:    between(r, 1e-4, 0.05),
		NodeError: 0.4 * r.Float64(),
		Noise:     0.5 * r.Float64(),
		Median:    between(r, 5, 500),
		Width:     0.3 + 0.7*r.Float64(),
		NodeSlow:  0.12 * r.Float64(),
		Clumps:    r.IntN(2) == 0,
		Known:     r.IntN(5) > 0,
	}
	if r.IntN(5) == 0 {
		s.Errors = 0
	}
	if r.IntN(2) == 0 {
		s.Bursts = 1.0 / 60
	}
	s.Sick = s.Known && r.IntN(5) == 0
	return s
}

// A fleet is a group of nodes that counts.
type fleet struct {
	r     *rand.Rand
	s     Setting
	each  []node
	now   seen
	was   seen    // the minutes before the rollout; empty when they are not known
	burst int     // seconds that are left of one
	bad   float64 // share of requests that fail in it
}

// Seen is what nodes counted.
type seen struct {
	failed  []gate.Count
	latency []gate.Histogram
}

func nothing(nodes int) seen {
	s := seen{make([]gate.Count, nodes), make([]gate.Histogram, nodes)}
	for i := range s.latency {
		s.latency[i] = gate.Histogram{Bounds: bounds, Counts: make([]uint64, buckets)}
	}
	return s
}

// A node is what is true of one node.
type node struct {
	rate, errors float64
	median       float64
	calm, slow   [buckets]float64
	noise        float64
	harm         float64 // share of requests that the candidate lets fail
}

func newFleet(r *rand.Rand, s Setting) *fleet {
	f := &fleet{r: r, s: s, each: make([]node, s.Nodes), now: nothing(s.Nodes)}
	for i := range f.each {
		n := &f.each[i]
		n.rate = s.Rate * around(r, 0.3)
		n.errors = s.Errors * around(r, s.NodeError)
		n.median = s.Median * around(r, s.NodeSlow)
		n.shape(1, s.Width)
		n.noise = r.NormFloat64()
	}
	if s.Sick {
		n := &f.each[r.IntN(s.Nodes)]
		n.errors += between(r, 0.02, 0.3)
		n.median *= between(r, 1, 3)
		n.shape(1, s.Width)
	}
	if s.Known {
		f.before()
	}
	return f
}

// shape sets the node's latencies, and those of its slow seconds.
func (n *node) shape(factor, width float64) {
	for k, p := range [2]*[buckets]float64{&n.calm, &n.slow} {
		below := 0.0
		for i := range p {
			upTo := 1.0
			if i < len(bounds) {
				upTo = 0.5 * math.Erfc(-math.Log(bounds[i]/(n.median*factor*float64(k+1)))/(width*math.Sqrt2))
			}
			p[i], below = upTo-below, upTo
		}
	}
}

// before lets the nodes count for five minutes at a level that may differ a little from that of the rollout.
func (f *fleet) before() {
	const seconds = 300
	drift := around(f.r, 0.1)
	f.was = nothing(f.s.Nodes)
	for i := range f.each {
		n := &f.each[i]
		f.count(f.was, i, n.rate*seconds, min(1, n.errors*drift*around(f.r, 0.05)), 0.05)
	}
}

// rest forgets what was counted, as a wave does when it begins.
func (f *fleet) rest() {
	clear(f.now.failed)
	for i := range f.now.latency {
		clear(f.now.latency[i].Counts)
	}
}

// second lets a second pass.
func (f *fleet) second() {
	switch {
	case f.burst > 0:
		f.burst--
	case f.r.Float64() < f.s.Bursts:
		f.burst, f.bad = 1+f.r.IntN(5), between(f.r, 0.02, 0.5)
	}
	for i := range f.each {
		n := &f.each[i]
		n.noise = 0.5*n.noise + 0.866*f.r.NormFloat64()
		errors, slow := n.errors, 0.05
		if f.s.Noise > 0 {
			moved := math.Exp(f.s.Noise*n.noise - f.s.Noise*f.s.Noise/2)
			errors, slow = errors*moved, slow*moved
		}
		if f.burst > 0 {
			errors, slow = max(errors, f.bad), max(slow, f.bad)
		}
		if n.harm > 0 {
			errors = n.harm + (1-n.harm)*errors
		}
		f.count(f.now, i, n.rate, min(1, errors), min(1, slow))
	}
}

// count adds requests to what a node has counted, expected of them so many.
func (f *fleet) count(s seen, i int, expected, errors, slow float64) {
	times, clump := expected, uint64(1)
	if f.s.Clumps {
		times, clump = expected/2, 2
	}
	n, drawn, counts := &f.each[i], uint64(0), s.latency[i].Counts
	for k := range counts {
		if c := poisson(f.r, times*((1-slow)*n.calm[k]+slow*n.slow[k])); c > 0 {
			counts[k] += c * clump
			drawn += c
		}
	}
	s.failed[i].Hits += float64(binomial(f.r, drawn, errors) * clump)
	s.failed[i].Of += float64(drawn * clump)
}
