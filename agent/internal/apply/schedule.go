package apply

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
)

// The interval of observations while the gateway does not answer, or is not as it should be, doubles from firstAway to one of
// these, so that a gateway that returns is restored quickly.
const (
	firstAway   = 10 * time.Millisecond
	lastAway    = 250 * time.Millisecond
	lastUnready = time.Second
)

// calm spaces observations that follow a closed connection and find nothing new, because a gateway may close every connection.
var calm = backoff.Policy{Base: 50 * time.Millisecond, Cap: 2 * time.Second}

// schedule decides when to observe the gateway. It reads no clock.
type schedule struct {
	last       time.Time // the last observation
	disconnect bool      // a closed connection asked for the next observation
	calm       int       // observations in a row that followed a closed connection and found nothing new
	away       int       // short intervals in a row
}

// disconnected returns the time to the next observation after a connection was closed.
func (p *schedule) disconnected(now time.Time) time.Duration {
	p.disconnect = true
	if p.calm == 0 {
		return 0
	}
	return max(0, p.last.Add(calm.Pause(p.calm, 0)).Sub(now))
}

// observed returns the time to the next observation after one; limit is State.maxInterval. The random number chance in [0, 1)
// spreads agents that were started together.
func (p *schedule) observed(now time.Time, limit time.Duration, news bool, interval time.Duration, chance float64) time.Duration {
	p.calm++
	if news || !p.disconnect {
		p.calm = 0
	}
	p.last, p.disconnect = now, false
	if news || limit == 0 {
		p.away = 0
	}
	if limit == 0 {
		return backoff.Jittered(interval, 0.1, chance)
	}
	p.away++
	return min(interval, backoff.Policy{Base: firstAway, Cap: limit}.Pause(p.away, 0))
}
