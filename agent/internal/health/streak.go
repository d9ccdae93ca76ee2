package health

// How many results in a row it takes to think otherwise of a probe. Taking a node out needs more than giving it back: one lost answer must
// not empty a load balancer, and a gateway that answers again should serve.
const (
	failuresToFail = 3
	successesToGo  = 2
)

// A Streak is what the results of one probe came to so far. The zero Streak has seen none.
type Streak struct {
	Asked   bool // there was a result
	Failing bool
	Against int // results in a row that say otherwise
}

// After returns the streak after one more result. The first result is taken at its word; after it, three failures in a row make a good
// probe fail, and two good answers in a row make a failing one good.
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
