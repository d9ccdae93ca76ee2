package rollout

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Policy is the policy of a group, with the defaults of rollouts.
type Policy fleet.Policy

// A Wave is a part of the group that moves together.
type Wave = fleet.Wave

// DefaultDeadline is how long a wave may take.
const DefaultDeadline = 10 * time.Minute

// failureGrace is how long too many failures must last, after every other node has answered, before they halt a rollout. Agents retry
// meanwhile: the restart of one gateway must not halt a rollout.
const failureGrace = 15 * time.Second

// stuckAfter is how long no further node serves the candidate before a newer revision may supersede the rollout.
const stuckAfter = 30 * time.Second

// DefaultWatch is how long a wave with gates is watched when the policy names no soak for it.
const DefaultWatch = 10 * time.Second

// By default all nodes may load at once in a group of less than smallFleet nodes, and a quarter of them in a larger one.
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

// maxLoading returns how many of n nodes may load at once; at least one.
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

// size returns how many of n nodes are in the first k waves, when wave k is by count. The last wave is always the whole group.
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

// Soak returns how long the present wave is watched once its nodes serve; 0 when it is not.
func (r Rollout) Soak() time.Duration {
	if r.Wave < 1 || r.promoted() {
		return 0
	}
	return r.Policy.soak(r.Wave)
}

// soak returns how long wave k is watched. Gates need some time, so that a policy with gates has a default.
func (p Policy) soak(k int) time.Duration {
	soak := p.waves()[k-1].Soak
	if soak == 0 && fleet.Policy(p).HasGates() {
		return DefaultWatch
	}
	return soak
}
