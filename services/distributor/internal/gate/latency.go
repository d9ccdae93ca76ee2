package gate

import (
	"math"
	"slices"
)

// How many requests are expected over a quantile before a node's own counts, and how many make its median count in its place.
const (
	leastOver   = 10
	leastMedian = 30
)

// A Histogram counts requests by latency: Counts has one bucket more than there are Bounds, which ascend.
type Histogram struct {
	Bounds []float64
	Counts []uint64
}

// Of returns how many requests there are.
func (h Histogram) Of() (n float64) {
	for _, c := range h.Counts {
		n += float64(c)
	}
	return n
}

// Together adds up histograms with the same bounds.
func Together(all []Histogram) (sum Histogram) {
	for i, h := range all {
		if i == 0 {
			sum = Histogram{h.Bounds, slices.Clone(h.Counts)}
			continue
		}
		for k, c := range h.Counts {
			sum.Counts[k] += c
		}
	}
	return sum
}

// Quantile returns how long the share q of the requests took at most, evenly spread within the bucket that it falls into; false without
// requests. What is beyond the last bound is +Inf.
func (h Histogram) Quantile(q float64) (float64, bool) {
	rank, below, lower := q*h.Of(), 0.0, 0.0
	if rank <= 0 {
		return 0, false
	}
	for i, c := range h.Counts {
		if i == len(h.Bounds) {
			return math.Inf(1), true
		}
		if below+float64(c) >= rank {
			return lower + (h.Bounds[i]-lower)*(rank-below)/float64(c), true
		}
		below, lower = below+float64(c), h.Bounds[i]
	}
	return 0, false
}

// Over counts the requests that took longer than ms, those of one bucket spread evenly in it.
func (h Histogram) Over(ms float64) Count {
	c, lower := Count{Of: h.Of()}, 0.0
	for i, n := range h.Counts {
		upper := math.Inf(1)
		if i < len(h.Bounds) {
			upper = h.Bounds[i]
		}
		switch {
		case ms <= lower:
			c.Hits += float64(n)
		case ms < upper && i < len(h.Bounds):
			c.Hits += float64(n) * (upper - ms) / (upper - lower)
		}
		lower = upper
	}
	return c
}

// SlowerBy reports whether a quantile of the wave is higher than that of the others by more than a factor and than nodes differ. Each
// histogram is of one node, all with the same bounds. Own is what the nodes of the wave counted before the rollout. Bound is the latency
// that the wave was held to; false when the others had too few requests for one. A wave whose quantile is within the factor is not held
// to any: bound is the factor times the others' quantile.
func SlowerBy(wave, others, own []Histogram, q, factor float64, look Look) (worse bool, bound float64, known bool) {
	w, o, alpha := Together(wave), Together(others), look.alpha()
	is, known := o.Quantile(q)
	was, seen := w.Quantile(q)
	if !known || !seen {
		return false, 0, false
	}
	if math.IsInf(is, 1) {
		// The limit is above the last bound. A wave that is not above that bound is not above the limit.
		last := o.Bounds[len(o.Bounds)-1]
		return false, last, !math.IsInf(was, 1)
	}
	if was <= is*factor {
		return false, is * factor, true
	}
	slowest, known := slowest(o, q, alpha)
	if !known {
		return false, 0, false
	}
	factor = max(factor, timesApart(logsOf(others, q), look.prior(latencyPrior)).factor(len(wave), len(others), alpha))
	if before := Together(own); !look.Before && before.Of()*(1-q) >= leastOver {
		if v, _ := before.Quantile(q); !math.IsInf(v, 1) {
			factor *= max(1, v/is)
		}
	}
	bound = slowest * factor
	return w.Over(bound).exceeds(1-q+look.excused(), alpha), bound, true
}

// logsOf returns the logarithm of a quantile of each node, or of the medians when not every node has enough requests for the quantile.
func logsOf(nodes []Histogram, q float64) (logs []float64) {
	if slices.ContainsFunc(nodes, func(h Histogram) bool { return h.Of()*(1-q) < leastOver }) {
		q = 0.5
	}
	for _, h := range nodes {
		if v, known := h.Quantile(q); known && h.Of() >= leastMedian && !math.IsInf(v, 1) {
			logs = append(logs, math.Log(v))
		}
	}
	return logs
}

// slowest returns an upper bound of a quantile, at all looks together; false when there are too few requests for one. Going down from the
// largest bound of buckets, the first that is not shown to have so few requests over it ends the search, so that only one can be wrong.
func slowest(h Histogram, q, alpha float64) (float64, bool) {
	few := func(ms float64) bool {
		c := h.Over(ms)
		return fallsShort(c.Hits/clump, c.Of/clump, 1-q, alpha)
	}
	at := len(h.Bounds)
	for at > 0 && few(h.Bounds[at-1]) {
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
