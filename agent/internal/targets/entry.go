package targets

import (
	"errors"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kong/target"
)

// standing is what is known of a target that the gateway is to keep out.
type standing int

const (
	unknown standing = iota // since the set, a load or a start of the gateway
	asked                   // the gateway was told, and was not seen to do it yet
	out                     // seen to be out
	absent                  // the gateway sends it nothing anyhow: its configuration does not have it, or no address of it
	failed                  // the gateway did not do it
)

// entry is one target. It is a value, and pure.
type entry struct {
	standing standing
	why      string    // it failed; free of secrets
	at       time.Time // asked
	retryAt  time.Time // of one that failed
	tries    int       // that failed, in a row
	again    bool      // unknown: it was out before the gateway loaded or started
}

// failures spaces the attempts after a failure. What a configuration lacks is tried at once after the next load.
var failures = backoff.Policy{Base: 200 * time.Millisecond, Cap: 30 * time.Second}

// hearing is how long workers may take to hear of a PUT: they are told by events (fact F46 saw about 10 ms).
const hearing = 200 * time.Millisecond

// due reports whether the target is to be put out now.
func (e entry) due(now time.Time) bool {
	return e.standing == unknown || e.standing == failed && !now.Before(e.retryAt)
}

// answered is the entry after a PUT.
func (e entry) answered(err error, now time.Time) entry {
	switch {
	case err == nil && e.standing == out:
		return entry{standing: out, at: now} // told again
	case err == nil:
		return entry{standing: asked, at: now, tries: e.tries}
	case errors.Is(err, target.ErrNoTarget):
		return entry{standing: absent}
	}
	return e.fails(err.Error(), now)
}

func (e entry) fails(why string, now time.Time) entry {
	return entry{standing: failed, why: why, tries: e.tries + 1, retryAt: now.Add(failures.Pause(e.tries+1, 0))}
}

// read is the entry after the gateway said how its targets are; is reports whether this one is among them.
func (e entry) read(h gateway.TargetHealth, is bool, now time.Time) entry {
	switch {
	case !is || h.Health == "DNS_ERROR":
		return entry{standing: absent}
	case h.Health == "UNHEALTHY" || h.Health == "HEALTHCHECKS_OFF" && h.Weightless:
		if e.standing == unknown && !e.again {
			return e // it is not known whether that is ours
		}
		return entry{standing: out, at: e.at}
	case h.Health == "HEALTHCHECKS_OFF":
		if e.standing == failed {
			return e
		}
		return e.fails(target.ErrNoChecks.Error(), now)
	case e.standing == asked && now.Sub(e.at) < hearing:
		return e
	}
	return entry{standing: unknown, tries: e.tries} // it is back, by a check or a load
}
