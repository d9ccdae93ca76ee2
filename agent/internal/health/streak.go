package health

// How many results in a row change the verdict on a probe. A node leaves load balancing more slowly than it returns: one lost
// answer must not empty a load balancer.
const (
	failuresToFail = 3
	successesToGo  = 2
)

// A Streak sums up the results of one probe. The zero Streak has none.
type Streak struct {
	Asked   bool // there was a result
	Failing bool
	Against int // results in a row that say otherwise
}

// After returns the streak after one more result. The first result decides alone. Then three failures in a row make the probe
// fail, and two successes in a row make it succeed.
func (s Streak) After(good bool) Streak {
	if !s.Asked {
		return Streak{Asked: true, Failing: !good}
	}
	if good != s.Failing {
		s.Against = 0
		return s
	}
	s.Against++
	if s.Failing && s.Against >= successesToGo || !s.Failing && s.Against >= failuresToFail {
		return Streak{Asked: true, Failing: !good}
	}
	return s
}
