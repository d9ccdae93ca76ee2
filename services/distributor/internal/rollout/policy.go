package rollout

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Policy is the policy of a group with what a rollout makes of it.
type Policy fleet.Policy

// A Wave is a part of the group that moves together.
type Wave = fleet.Wave

// DefaultDeadline is how long a wave may take.
const DefaultDeadline = 10 * time.Minute

// failureGrace is how long too many failures must last, with every other node having answered, before they halt a
// rollout. Agents try again meanwhile: a gateway that restarts must not cost the fleet its rollout.
const failureGrace = 15 * time.Second

// stuckAfter is how long a rollout under way goes without one more node that serves before a newer revision may take its place.
const stuckAfter = 30 * time.Second

// DefaultWatch is how long a wave with gates is watched when the policy names no soak for it.
const DefaultWatch = 10 * time.Second

// Below smallFleet nodes all may load at once by default; from there on a quarter.
const (
	smallFleet           = 20
	defaultLoadingShare  = 25
	wholeGroup           = 100
	defaultFirstWaveSize = 1
)

func (p Policy) waves() []Wave {
	if len(p.Waves) == 0 {
		return []Wave{{Nodes: defaultFirstWaveSize}, {Percent: wholeGroup}}
	}
	return p.Waves
}

// WaveCount returns how many waves there are.
func (p Policy) WaveCount() int { return len(p.waves()) }

func (p Policy) deadline() time.Duration {
	if p.Deadline == nil || *p.Deadline <= 0 {
		return DefaultDeadline
	}
	return *p.Deadline
}

// maxLoading returns how many of n nodes may load at once: at least one, or nothing would ever move.
func (p Policy) maxLoading(n int) int {
	share := p.MaxLoading
	if share <= 0 {
		share = wholeGroup
		if n >= smallFleet {
			share = defaultLoadingShare
		}
	}
	return max(1, n*share/100)
}

// size returns how many of n nodes are in the first k waves. The last wave is everybody, whatever it says.
func (p Policy) size(k, n int) int {
	waves := p.waves()
	if k >= len(waves) {
		return n
	}
	w := waves[k-1]
	if w.Nodes > 0 {
		return min(w.Nodes, n)
	}
	return min((n*w.Percent+99)/100, n)
}

// soak returns how long wave k is watched. What gates judge needs some time to show, also when the policy names none.
func (p Policy) soak(k int) time.Duration {
	soak := p.waves()[k-1].Soak
	if soak == 0 && fleet.Policy(p).HasGates() {
		return DefaultWatch
	}
	return soak
}
