package gate

import "math"

// The prior for the differences between nodes: how far apart, as standard deviation of a logarithm, and worth how many nodes, known
// with how many degrees of freedom.
const (
	nodePrior    = 0.35
	timePrior    = 0.1 // of one node at different times
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

// sharesApart estimates the spread of a share between nodes.
func sharesApart(nodes []Count, prior float64) spread {
	all, squares := Sum(nodes), 0.0
	for _, c := range nodes {
		squares += c.Of * c.Of
	}
	s := spread{prior, priorFreedom}
	if len(nodes) < 2 || all.Hits <= 0 || all.Hits >= all.Of {
		return s
	}
	p := all.Share()
	chance := clump * p * (1 - p) // what chance alone has a request vary by
	sum := 0.0
	for _, c := range nodes {
		d := c.Share() - p
		sum += c.Of * d * d
	}
	k := float64(len(nodes) - 1)
	between := max(0, (sum-k*chance)/(all.Of-squares/all.Of)) / (p * p) // of the ratio to the mean
	// What the nodes say counts as much as their differences stand out of chance.
	stands := max(math.Expm1(prior*prior), between)
	weight := k * stands / (stands + chance/(p*p)*float64(len(nodes))/all.Of)
	return s.with(weight, math.Log1p(between))
}

// timesApart estimates the spread of latency between nodes, from the logarithms of a quantile of each.
func timesApart(logs []float64, prior float64) spread {
	s := spread{prior, priorFreedom}
	if len(logs) < 2 {
		return s
	}
	mean, squares, k := 0.0, 0.0, float64(len(logs)-1)
	for _, v := range logs {
		mean += v / float64(len(logs))
	}
	for _, v := range logs {
		squares += (v - mean) * (v - mean)
	}
	return s.with(k, squares/k)
}
