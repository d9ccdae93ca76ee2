package apply

import "time"

// How often a gateway is looked at that does not answer, or is not as it should be, doubled at each look: who comes back is
// healed quickly.
const (
	firstAway   = 10 * time.Millisecond
	lastAway    = 250 * time.Millisecond
	lastUnready = time.Second
)

// Between looks that a broken connection asked for and that found nothing new, doubled at each: a gateway that ends every
// connection is no reason to look without pause.
const (
	firstCalm = 50 * time.Millisecond
	lastCalm  = 2 * time.Second
)

// schedule says when to look at the gateway. It reads no clock.
type schedule struct {
	last       time.Time     // when it was looked
	disconnect bool          // the next look is for a broken connection
	calm       time.Duration // no sooner than that after the last look
	away       time.Duration // the last pause while it was restless
}

// disconnected returns how soon to look, now that a connection has ended.
func (p *schedule) disconnected(now time.Time) time.Duration {
	p.disconnect = true
	return max(0, p.last.Add(p.calm).Sub(now))
}

// observed returns how soon to look again; see State.patience. Chance, from 0 up to 1, spreads agents that were started together.
func (p *schedule) observed(now time.Time, patience time.Duration, news bool, interval time.Duration, chance float64) time.Duration {
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
	if patience == 0 {
		p.away = 0
		return interval - time.Duration(chance*float64(interval)/10)
	}
	p.away = min(max(2*p.away, firstAway), patience)
	return min(interval, p.away)
}
