package simulate

import (
	"math"
	"math/rand/v2"
)

// poisson draws from Poisson's distribution: by inversion when the mean is small, else by Hörmann's transformed rejection (PTRS, 1993).
func poisson(r *rand.Rand, mean float64) uint64 {
	if mean <= 0 {
		return 0
	}
	if mean < 10 {
		u := r.Float64()
		if u > mean { // most of what is rare
			return 0
		}
		u = 1 - u
		p := math.Exp(-mean)
		n := uint64(0)
		for u > p && n < 100 {
			u -= p
			n++
			p *= mean / float64(n)
		}
		return n
	}
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	inverse, vr := 1.1239+1.1328/(b-3.4), 0.9277-3.6224/(b-2)
	for {
		u, v := r.Float64()-0.5, r.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= vr {
			return uint64(k)
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		fact, _ := math.Lgamma(k + 1)
		if math.Log(v)+math.Log(inverse)-math.Log(a/(us*us)+b) <= -mean+k*math.Log(mean)-fact {
			return uint64(k)
		}
	}
}

// between draws evenly on a logarithmic scale.
func between(r *rand.Rand, low, high float64) float64 { return low * math.Pow(high/low, r.Float64()) }

// around draws a log-normal factor with a mean of 1.
func around(r *rand.Rand, sd float64) float64 { return math.Exp(sd*r.NormFloat64() - sd*sd/2) }

// binomial draws how many of n happen. Rare ones are drawn from Poisson's distribution, and many from the normal one.
func binomial(r *rand.Rand, n uint64, p float64) uint64 {
	mean := float64(n) * p
	switch {
	case n == 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.9 && n > 20:
		return n - binomial(r, n, 1-p)
	case p < 0.1:
		return min(n, poisson(r, mean))
	case n < 50:
		k := uint64(0)
		for range n {
			if r.Float64() < p {
				k++
			}
		}
		return k
	}
	k := math.Round(mean + math.Sqrt(mean*(1-p))*r.NormFloat64())
	return uint64(min(max(k, 0), float64(n)))
}
