package apply

import "time"

// The interval of observations while the gateway does not answer, or is not as it should be, doubles from firstAway to one of
// these, so that a gateway that returns is restored quickly.
const (
	firstAway   = 10 * time.Millisecond
	lastAway    = 250 * time.Millisecond
	lastUnready = time.Second
)

// The least interval of observations that follow a closed connection and find nothing new doubles from firstCalm to lastCalm,
// so that a gateway that closes every connection is not observed without a pause.
const (
	firstCalm = 50 * time.Millisecond
	lastCalm  = 2 * time.Second
)

// schedule decides when to observe the gateway. It reads no clock.
type schedule struct {
	last       time.Time     // the last observation
	disconnect bool          // a closed connection asked for the next observation
	calm       time.Duration // the least interval after a closed connection
	away       time.Duration // the last short interval
}

// disconnected returns the time to the next observation after a connection was closed.
func (p *schedule) disconnected(now time.Time) time.Duration {
	p.disconnect = true
	return max(0, p.last.Add(p.calm).Sub(now))
}

// observed returns the time to the next observation after one; limit is State.maxInterval. The random number chance in [0, 1)
// spreads agents that were started together.
func (p *schedule) observed(now time.Time, limit time.Duration, news bool, interval time.Duration, chance float64) time.Duration {
	switch {
	case news || !p.disconnect:
		p.calm = 0
	default:
		p.calm = min(max(2*p.calm, firstCalm), lastCalm)
	}
	p.last, p.disconnect = now, false
	if news {
		p.away = 0
	}
	if limit == 0 {
		p.away = 0
		return interval - time.Duration(chance*float64(interval)/10)
	}
	p.away = min(max(2*p.away, firstAway), limit)
	return min(interval, p.away)
}
