// Package simulate plays rollouts of random fleets and asks the gates at every second: how often they stop a healthy rollout, and how soon
// they see an unhealthy one. Counts are drawn for each second and node, not for each request. It knows nothing of rollouts but their waves,
// and is the same for the same seed, whatever the number of processors.
package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/silverback-gateway/silverback/services/distributor/internal/gate"
)

// Limits are those of the gates that are played; 0 is no such gate.
type Limits struct {
	Errors   float64 // by how much the share that fails may be higher
	Quantile float64
	Slower   float64 // by what factor the quantile may be
}

// leastRequests is how many requests either side must have for a wave to pass.
const leastRequests = 50

// A verdict is what the gates say at one look.
type verdict int

const (
	passed verdict = iota
	inconclusive
	errorsFailed
	latencyFailed
)

// look asks the gates about a wave that is the first nodes of a fleet, so many seconds after it began.
func (f *fleet) look(limits Limits, size, second, waves int) verdict {
	look := gate.Look{Waves: waves, Window: time.Duration(second) * time.Second}
	if limits.Errors > 0 {
		look.Gates++
	}
	if limits.Slower > 0 {
		look.Gates++
	}
	failed, latency := f.now.failed[size:], f.now.latency[size:]
	var was seen
	if f.s.Known {
		was = seen{f.was.failed[:size], f.was.latency[:size]}
	}
	if f.s.Known && gate.Sum(failed).Of < leastOutside && gate.Sum(was.failed).Of >= leastOutside {
		failed, latency, look.Before = was.failed, was.latency, true
	}
	if limits.Errors > 0 && gate.Worse(f.now.failed[:size], failed, was.failed, limits.Errors, look) {
		return errorsFailed
	}
	known := true
	if limits.Slower > 0 {
		var worse bool
		if worse, _, known = gate.SlowerBy(f.now.latency[:size], latency, was.latency, limits.Quantile, limits.Slower, look); worse {
			return latencyFailed
		}
	}
	if !known || gate.Sum(f.now.failed[:size]).Of < leastRequests || gate.Sum(failed).Of < leastRequests {
		return inconclusive
	}
	return passed
}

// leastOutside is as in the controller.
const leastOutside = 30

// A Health is what came of healthy rollouts.
type Health struct {
	Rollouts     int
	Errors       int // rollouts that the gate of errors stopped
	Latency      int // rollouts that the gate of latency stopped
	Alone        int // of both, in a wave without nodes outside
	Inconclusive int // rollouts with a wave that had too little evidence at the end of its soak
	Looks        int
}

// Rate returns the share of the rollouts that were stopped.
func (h Health) Rate() float64 { return float64(h.Errors+h.Latency) / float64(max(1, h.Rollouts)) }

// Healthy plays n healthy rollouts.
func Healthy(seed uint64, n, processors int) Health {
	all := make([]Health, n)
	each(n, processors, func(i int) { all[i] = rollout(rand.New(rand.NewPCG(seed, uint64(i)))) })
	sum := Health{Rollouts: n}
	for _, h := range all {
		sum.Errors += h.Errors
		sum.Latency += h.Latency
		sum.Alone += h.Alone
		sum.Inconclusive += h.Inconclusive
		sum.Looks += h.Looks
	}
	return sum
}

// each calls do for 0 to n-1.
func each(n, processors int, do func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(1, processors) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	wg.Wait()
}

// rollout plays one healthy rollout with drawn waves, soaks and limits.
func rollout(r *rand.Rand) (h Health) {
	f := newFleet(r, Draw(r))
	limits := Limits{
		Errors:   []float64{0.002, 0.005, 0.01, 0.02}[r.IntN(4)],
		Quantile: []float64{0.5, 0.9, 0.99}[r.IntN(3)],
		Slower:   []float64{1.2, 1.5, 2}[r.IntN(3)],
	}
	waves := drawWaves(r, f.s.Nodes)
	soak := int(between(r, 10, 121))
	for _, size := range waves {
		f.rest()
		var last verdict
		for second := range soak {
			f.second()
			h.Looks++
			switch last = f.look(limits, size, second+1, len(waves)); last {
			case errorsFailed:
				h.Errors++
			case latencyFailed:
				h.Latency++
			default:
				continue
			}
			if size == f.s.Nodes {
				h.Alone++
			}
			return h
		}
		if last == inconclusive {
			h.Inconclusive = 1
		}
	}
	return h
}

// drawWaves returns how many of n nodes have the candidate in each wave: one and all, or more steps, or a drawn number and all.
func drawWaves(r *rand.Rand, n int) (sizes []int) {
	switch r.IntN(4) {
	case 0, 1:
		sizes = []int{1, n}
	case 2:
		sizes = []int{1, (n + 3) / 4, n}
	default:
		sizes = []int{1 + r.IntN(n), n}
	}
	return slices.Compact(sizes)
}

// A Harm is what a candidate does to the nodes that have it.
type Harm struct {
	Errors float64 // share of requests that fail
	Slower float64 // factor of latency; 0 is 1
}

// A Detection is how soon a harm was seen.
type Detection struct {
	Runs       int
	Median     time.Duration // 0 when more than half were not seen
	P95        time.Duration // 0 when more than 5 % were not seen
	Undetected float64       // share not seen within a minute
	Requests   float64       // median number of requests that the wave had answered
}

// horizon is for how many seconds a harm is looked for.
const horizon = 60

// Detect plays n rollouts whose first wave, of one node, has a harm. In a group of one the node is compared with itself.
func Detect(seed uint64, n, processors int, s Setting, limits Limits, harm Harm) Detection {
	seconds, requests := make([]int, n), make([]float64, n)
	each(n, processors, func(i int) {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		seconds[i], requests[i] = detect(newFleet(r, s), limits, harm)
	})
	slices.Sort(seconds)
	slices.Sort(requests)
	d := Detection{Runs: n}
	seen, _ := slices.BinarySearch(seconds, math.MaxInt)
	d.Undetected = float64(n-seen) / float64(n)
	if at := n / 2; at < seen {
		d.Median = time.Duration(seconds[at]) * time.Second
		d.Requests = requests[at]
	}
	if at := n * 95 / 100; at < seen {
		d.P95 = time.Duration(seconds[at]) * time.Second
	}
	return d
}

// detect returns after how many seconds and requests a harm is seen; the largest numbers when it is not.
func detect(f *fleet, limits Limits, harm Harm) (int, float64) {
	f.each[0].harm = harm.Errors
	if harm.Slower > 0 {
		f.each[0].shape(harm.Slower, f.s.Width)
	}
	for second := 1; second <= horizon; second++ {
		f.second()
		if f.look(limits, 1, second, 2) >= errorsFailed {
			return second, f.now.failed[0].Of
		}
	}
	return math.MaxInt, math.MaxFloat64
}
