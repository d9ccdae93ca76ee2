// Package gate decides whether the nodes of a wave fare worse than the nodes outside of it. It is pure.
//
// Shares of requests are compared by confidence sequences: intervals that hold the true share at every moment of the comparison at once, so
// that looking each second costs no error. They are those of the beta mixture: for k failures of n the martingale
//
//	M(p) = B(k+1/2, n-k+1/2) / (B(1/2, 1/2) p^k (1-p)^(n-k))
//
// exceeds 1/Alpha with a probability of at most Alpha under p, whatever n grows to (Ville's inequality; Robbins, "Statistical methods
// related to the law of the iterated logarithm", 1970). A gate fails when the lower end for the wave is above the upper end for the others
// and the limit. Requests are not independent: a node has clients, backends and bursts of its own. The counts of both sides are therefore
// divided by how much more the others differ from node to node than chance would have them (the dispersion of Pearson's statistic), which
// bounds what a wave of one node can prove. How often healthy rollouts are stopped all the same is measured by test/cmd/gatesim.
package gate

import "math"

// Alpha is the probability that a confidence sequence ever leaves out the true share.
const Alpha = 1e-4

// A Count is how many of how many requests.
type Count struct{ Hits, Of float64 }

// Plus adds two counts.
func (c Count) Plus(other Count) Count { return Count{c.Hits + other.Hits, c.Of + other.Of} }

// Share returns the share; 0 of nothing.
func (c Count) Share() float64 {
	if c.Of <= 0 {
		return 0
	}
	return c.Hits / c.Of
}

// Over divides both numbers: as if each request had been counted so many times.
func (c Count) Over(dispersion float64) Count { return Count{c.Hits / dispersion, c.Of / dispersion} }

// Low returns the lower end of the confidence sequence of the share.
func (c Count) Low() float64 { return c.end(0, c.Share()) }

// High returns the upper end.
func (c Count) High() float64 { return c.end(1, c.Share()) }

// end finds where the martingale crosses 1/Alpha between a side, 0 or 1, and the share. On the way to the share it only falls.
func (c Count) end(side, share float64) float64 {
	limit := -math.Log(Alpha)
	mixture := logBeta(c.Hits+0.5, c.Of-c.Hits+0.5) - logBeta(0.5, 0.5)
	if mixture-c.logLikelihood(side) <= limit {
		return side
	}
	out, in := side, share
	for range 60 {
		mid := (out + in) / 2
		if mixture-c.logLikelihood(mid) > limit {
			out = mid
		} else {
			in = mid
		}
	}
	return in
}

func (c Count) logLikelihood(p float64) float64 {
	return times(c.Hits, math.Log(p)) + times(c.Of-c.Hits, math.Log1p(-p))
}

// times is a*b, and 0 of anything is nothing.
func times(a, b float64) float64 {
	if a == 0 {
		return 0
	}
	return a * b
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// leastNodes is from how many nodes on the differences between them say something.
const leastNodes = 3

// fewNodes is the dispersion that is assumed of fewer.
const fewNodes = 2

// Dispersion returns how much more the shares of nodes differ than those of independent requests would: 1 or more.
func Dispersion(nodes []Count) float64 {
	var all Count
	n := 0
	for _, c := range nodes {
		if c.Of > 0 {
			all = all.Plus(c)
			n++
		}
	}
	if n < leastNodes {
		return fewNodes
	}
	// A share of 0 or 1 has no variance to compare with: half a request more keeps it away from them.
	p := (all.Hits + 0.5) / (all.Of + 1)
	sum := 0.0
	for _, c := range nodes {
		if c.Of > 0 {
			d := c.Hits - c.Of*p
			sum += d * d / (c.Of * p * (1 - p))
		}
	}
	return max(1, sum/float64(n-1))
}

// Sum adds counts up.
func Sum(nodes []Count) (all Count) {
	for _, c := range nodes {
		all = all.Plus(c)
	}
	return all
}

// Worse reports whether the share of the wave is higher than that of the others by more than a limit, with the certainty of the package.
func Worse(wave, others []Count, limit float64) bool {
	d := Dispersion(others)
	w, o := Sum(wave), Sum(others)
	if w.Of == 0 || o.Of == 0 || w.Share() <= o.Share()+limit {
		return false
	}
	return w.Over(d).Low() > o.Over(d).High()+limit
}

// A Histogram counts requests by latency: Counts has one bucket more than there are Bounds.
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

// Plus adds up two histograms with the same bounds.
func (h Histogram) Plus(other Histogram) Histogram {
	sum := Histogram{Bounds: h.Bounds, Counts: append([]uint64(nil), h.Counts...)}
	for i := range sum.Counts {
		sum.Counts[i] += other.Counts[i]
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

// Slower returns how many requests took longer than the bound with that index, of how many.
func (h Histogram) Slower(bound int) (c Count) {
	for i, n := range h.Counts {
		c.Of += float64(n)
		if i > bound {
			c.Hits += float64(n)
		}
	}
	return c
}

// SlowerBy reports whether a quantile of the wave is higher than that of the others by more than a factor. Bound is the first bound of
// buckets that is at least so high, with which the wave is compared: a finer answer the buckets do not give. Known is false when there is
// none, unless the wave is below all bounds that there are.
func SlowerBy(wave, others []Histogram, q, factor float64) (worse bool, bound float64, known bool) {
	if len(wave) == 0 || len(others) == 0 {
		return false, 0, false
	}
	all := others[0]
	for _, h := range others[1:] {
		all = all.Plus(h)
	}
	is, known := all.Quantile(q)
	if !known {
		return false, 0, false
	}
	for i, b := range all.Bounds {
		if b < is*factor {
			continue
		}
		var w, o []Count
		for _, h := range wave {
			w = append(w, h.Slower(i))
		}
		for _, h := range others {
			o = append(o, h.Slower(i))
		}
		d := Dispersion(o)
		return Sum(w).Over(d).Low() > max(1-q, Sum(o).Over(d).High()), b, true
	}
	// The limit is above the last bound. A wave that is not above that bound is not above the limit.
	last, mine := len(all.Bounds)-1, wave[0]
	for _, h := range wave[1:] {
		mine = mine.Plus(h)
	}
	if is, known := mine.Quantile(q); known && last >= 0 && is <= all.Bounds[last] {
		return false, all.Bounds[last], true
	}
	return false, 0, false
}
