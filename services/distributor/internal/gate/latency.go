package gate

import (
	"cmp"
	"math"
	"slices"
)

// beyond is how many requests are to be expected beyond a quantile before a wave passes by it, or a node's own quantile counts.
const (
	beyond     = 3
	beyondNode = 10
	medianNode = 30
)

// measured returns the histograms of the nodes that have one, of now or of before.
func measured(nodes []Node, earlier bool) (all []Histogram) {
	for i := range nodes {
		s := &nodes[i].Now
		if earlier {
			s = nodes[i].Before
		}
		if s != nil && s.MeasuresLatency && s.Latency.valid() {
			if all == nil {
				all = make([]Histogram, 0, len(nodes))
			}
			all = append(all, s.Latency)
		}
	}
	return all
}

// pooled returns the sum; the same as Add gives, with one allocation when the bounds are the same.
func pooled(all []Histogram) (sum Histogram) {
	for i, h := range all {
		switch {
		case i == 0:
			sum = Histogram{h.Bounds, slices.Clone(h.Counts)}
		case same(h.Bounds, sum.Bounds):
			for k, c := range h.Counts {
				sum.Counts[k] += c
			}
		default:
			sum = sum.Add(h)
		}
	}
	return sum
}

func same(a, b []float64) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// latency compares a quantile.
func (j judge) latency(limit Latency) Result {
	q := cmp.Or(limit.Quantile, DefaultQuantile)
	r := Result{Gate: GateLatency, Limit: limit.MaxIncrease, Quantile: q, Window: j.look.Window}
	nodes := measured(j.treatment, false)
	if len(nodes) == 0 {
		return j.notMeasured(r, "the Prometheus plugin with latency_metrics")
	}
	treated := pooled(nodes)
	r.Treated = quantileFigure(treated, len(nodes), q)
	others := measured(j.control, false)
	compared := pooled(others)
	if compared.total() < leastCompared {
		frozen, own := measured(j.look.Frozen, false), measured(j.treatment, true)
		if f, b := pooled(frozen), pooled(own); f.total() >= leastCompared {
			r.Reference, compared, others = Frozen, f, frozen
		} else if b.total() >= leastCompared {
			r.Reference, compared, others = Before, b, own
		} else if compared.total() == 0 {
			r.Reference = Nothing
			return r
		}
	}
	r.Compared = quantileFigure(compared, len(others), q)
	if r.Treated.Value > r.Compared.Value*(1+limit.MaxIncrease) {
		bound, known := j.slowest(compared, q)
		if known {
			r.Allowed = bound * j.slower(r, others)
			n := float64(r.Treated.Of)
			if exceeds(treated.over(r.Allowed)/clump, n/clump, 1-q+j.outage(r.Reference), j.alpha) {
				r.Outcome, r.Nodes = Fail, j.slowestNodes(r.Allowed)
				return r
			}
		}
	}
	least := max(cmp.Or(limit.MinRequests, DefaultMinRequests), uint64(math.Ceil(beyond/(1-q))))
	if r.Treated.Of >= least && r.Compared.Of >= least {
		r.Outcome = Pass
	}
	return r
}

func quantileFigure(h Histogram, nodes int, q float64) Figure {
	return Figure{Nodes: nodes, Of: h.total(), Value: h.quantile(q)}
}

// slowest returns an upper bound of a quantile; false when there are too few requests for one. Fewer than 1-q of the requests are over it,
// with probability 1-alpha at all looks together: going down from the largest bound, the first that is not shown to have so few over it
// ends the search, so that only one of them can be wrong.
func (j judge) slowest(h Histogram, q float64) (float64, bool) {
	n := float64(h.total()) / clump
	few := func(ms float64) bool { return fallsShort(h.over(ms)/clump, n, 1-q, j.alpha) }
	at := len(h.Bounds)
	for at > 0 && fallsShort(h.tail(at)/clump, n, 1-q, j.alpha) {
		at--
	}
	if at == len(h.Bounds) {
		return 0, false
	}
	low, high := 0.0, h.Bounds[at]
	if at > 0 {
		low = h.Bounds[at-1]
	}
	for range 12 {
		if mid := (low + high) / 2; few(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high, true
}

// tail returns how many requests are in the buckets from at on.
func (h Histogram) tail(at int) (n float64) {
	for _, c := range h.Counts[at:] {
		n += float64(c)
	}
	return n
}

// slower returns by what factor the wave may be slower: by the limit, by what nodes differ, and by what the same nodes were slower before.
func (j judge) slower(r Result, others []Histogram) float64 {
	var logs []float64
	for _, h := range others {
		n := float64(h.total())
		switch {
		case n*(1-r.Quantile) >= beyondNode:
			logs = append(logs, math.Log(h.quantile(r.Quantile)/r.Compared.Value))
		case n >= medianNode:
			logs = append(logs, math.Log(h.quantile(0.5)))
		}
	}
	prior := latencyPrior
	if r.Reference != Control {
		prior *= weaker
	}
	s := spread{prior, priorFreedom}
	if len(logs) > 1 {
		k := float64(len(logs) - 1)
		s = s.with(k, variance(logs))
	}
	factor := max(1+r.Limit, s.factor(r.Treated.Nodes, r.Compared.Nodes, j.alpha))
	own := pooled(measured(j.treatment, true))
	if r.Reference != Before && float64(own.total())*(1-r.Quantile) >= beyondNode && r.Compared.Value > 0 {
		factor *= max(1, own.quantile(r.Quantile)/r.Compared.Value)
	}
	return factor
}

func variance(all []float64) float64 {
	mean, squares := 0.0, 0.0
	for _, v := range all {
		mean += v / float64(len(all))
	}
	for _, v := range all {
		squares += (v - mean) * (v - mean)
	}
	return squares / float64(len(all)-1)
}

// slowestNodes returns the nodes of the wave with the most requests over ms.
func (j judge) slowestNodes(ms float64) []string {
	var all []tally
	for _, n := range j.treatment {
		if n.Now.MeasuresLatency && n.Now.Latency.valid() {
			all = append(all, tally{n.ID, n.Now.Latency.over(ms), float64(n.Now.Latency.total())})
		}
	}
	return worst(all)
}
