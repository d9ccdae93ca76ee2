package gate

import "math"

// clump is by how much counts are divided: requests come in clumps of this size that fare alike.
const clump = 2

// The grid of λ, and exp(±λ)-1.
const gridSize = 16

var grid = func() (g struct{ lambda, up, down [gridSize]float64 }) {
	for i := range gridSize {
		l := 0.02 * math.Pow(1.54, float64(i)) // to 13
		g.lambda[i], g.up[i], g.down[i] = l, math.Expm1(l), math.Expm1(-l)
	}
	return g
}()

// exceeds reports whether x of n is evidence at level alpha, at any number of looks, that the mean is over q.
func exceeds(x, n, q, alpha float64) bool {
	if n <= 0 || q >= 1 || x <= n*q {
		return false
	}
	sum, enough := 0.0, gridSize/alpha
	for i, l := range grid.lambda {
		sum += math.Exp(l*x - n*math.Log1p(q*grid.up[i]))
		if sum >= enough {
			return true
		}
	}
	return false
}

// fallsShort reports whether x of n is evidence at level alpha, at any number of looks, that the mean is under q.
func fallsShort(x, n, q, alpha float64) bool {
	if n <= 0 || q <= 0 || x >= n*q {
		return false
	}
	sum, enough := 0.0, gridSize/alpha
	for i, l := range grid.lambda {
		sum += math.Exp(-l*x - n*math.Log1p(q*grid.down[i]))
		if sum >= enough {
			return true
		}
	}
	return false
}

// upper returns a bound that the mean of what was x of n is under, with probability 1-alpha at all looks together; 1 when nothing is known.
func upper(x, n, alpha float64) float64 {
	if !fallsShort(x, n, 1, alpha) {
		return 1
	}
	low, high := x/n, 1.0
	for high-low > 1e-3*high+1e-9 {
		if mid := (low + high) / 2; fallsShort(x, n, mid, alpha) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}
