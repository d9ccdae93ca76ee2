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

// The prior for the differences between nodes: how far apart, as standard deviation of a logarithm, and worth how many nodes, known
// with how many degrees of freedom.
const (
	nodePrior    = 0.35
	latencyPrior = 0.1
	priorNodes   = 4
	priorFreedom = 10
)

// A spread is how far apart nodes are, as standard deviation of the logarithm of a figure, with its degrees of freedom.
type spread struct{ sd, freedom float64 }

// with joins a prior with a variance that k degrees of freedom show.
func (s spread) with(k, variance float64) spread {
	return spread{math.Sqrt((priorNodes*s.sd*s.sd + k*variance) / (priorNodes + k)), s.freedom + k}
}

// factor returns by what factor the mean of k nodes may exceed that of as many others, but with probability alpha.
func (s spread) factor(k, others int, alpha float64) float64 {
	if k == 0 {
		return 1
	}
	wide := 1 / float64(k)
	if others > 0 {
		wide += 1 / float64(others)
	}
	return math.Exp(student(1-alpha, s.freedom) * s.sd * math.Sqrt(wide))
}

// student returns the quantile p of Student's distribution, by Hill's expansion (1970) in the form for upper tails. It is within 1 % for
// five degrees of freedom and more.
func student(p, freedom float64) float64 {
	a := 1 / (freedom - 0.5)
	b := 48 / (a * a)
	c := ((20700*a/b-98)*a-16)*a + 96.36
	d := ((94.5/(b+c)-3)/b + 1) * math.Sqrt(a*math.Pi/2) * freedom
	x := d * 2 * (1 - p)
	y := math.Pow(x, 2/freedom)
	if y > 0.05+a {
		z := math.Sqrt2 * math.Erfinv(1-2*(1-p))
		y = z * z
		if freedom < 5 {
			c += 0.3 * (freedom - 4.5) * (-z + 0.6)
		}
		z = -z
		c += (((0.05*d*z-5)*z-7)*z-2)*z + b
		y = (((((0.4*y+6.3)*y+36)*y+94.5)/c-y-3)/b + 1) * z
		y = math.Expm1(a * y * y)
	} else {
		y = ((1/(((freedom+6)/(freedom*y)-0.089*d-0.822)*(freedom+2)*3)+0.5/(freedom+4))*y-1)*(freedom+1)/(freedom+2) + 1/y
	}
	return math.Sqrt(freedom * y)
}

// sharesApart estimates the spread of a share between nodes, with the prior. x and n are what each counted.
func sharesApart(x, n []float64, prior float64) spread {
	var sx, sn, squares float64
	for i := range n {
		sx += x[i]
		sn += n[i]
		squares += n[i] * n[i]
	}
	s := spread{prior, priorFreedom}
	if len(n) < 2 || sx <= 0 || sx >= sn {
		return s
	}
	p, chance := sx/sn, clump*(sx/sn)*(1-sx/sn)
	q := 0.0
	for i := range n {
		if n[i] > 0 {
			q += n[i] * (x[i]/n[i] - p) * (x[i]/n[i] - p)
		}
	}
	k := float64(len(n) - 1)
	between := max(0, (q-k*chance)/(sn-squares/sn)) / (p * p) // of the ratio to the mean
	// What the nodes say counts as much as their differences stand out of chance.
	expected := math.Expm1(prior * prior)
	weight := k * max(expected, between) / (max(expected, between) + chance/(p*p)*float64(len(n))/sn)
	return s.with(weight, math.Log1p(between))
}
