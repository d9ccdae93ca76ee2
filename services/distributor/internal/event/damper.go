package event

import (
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Damping is how long something must be so before it is told, and how far such events of a group are apart at least.
const Damping = 30 * time.Second

// A Damper holds back what comes and goes quickly. It is of one group and one leader; a new leader begins to wait again. The zero Damper is
// ready for use.
type Damper struct {
	since map[fleet.NodeID]time.Time // when a node began to differ from what was told
	last  time.Time                  // when something was let through
}

// Settle returns what is to be told: what was told before, with the changes that have lasted. Wait says when to ask again; 0 is only after
// a change.
func (d *Damper) Settle(now time.Time, told []fleet.NodeID, seen []Mark) (settled []Mark, wait time.Duration) {
	is := map[fleet.NodeID]Mark{}
	for _, m := range seen {
		is[m.Node] = m
	}
	was := map[fleet.NodeID]bool{}
	for _, n := range told {
		was[n] = true
	}
	d.measure(now, was, is)
	wait = d.left(now)
	through := wait == 0 && len(d.since) > 0
	for _, n := range told {
		if m, still := is[n]; still || !(through && d.lasted(now, n)) {
			m.Node = n
			settled = append(settled, m)
		}
	}
	for _, m := range seen {
		if !was[m.Node] && through && d.lasted(now, m.Node) {
			settled = append(settled, m)
		}
	}
	if through {
		d.last = now
	}
	return settled, wait
}

// measure keeps since when each node differs from what was told.
func (d *Damper) measure(now time.Time, was map[fleet.NodeID]bool, is map[fleet.NodeID]Mark) {
	differs := map[fleet.NodeID]time.Time{}
	note := func(n fleet.NodeID) {
		differs[n] = now
		if since, ok := d.since[n]; ok {
			differs[n] = since
		}
	}
	for n := range is {
		if !was[n] {
			note(n)
		}
	}
	for n := range was {
		if _, still := is[n]; !still {
			note(n)
		}
	}
	d.since = differs
}

// left returns how long nothing is let through; 0 when something may be now, or nothing waits.
func (d *Damper) left(now time.Time) time.Duration {
	var left []time.Duration
	for _, since := range d.since {
		left = append(left, Damping-now.Sub(since))
	}
	if len(left) == 0 {
		return 0
	}
	wait := slices.Min(left)
	if !d.last.IsZero() {
		wait = max(wait, Damping-now.Sub(d.last))
	}
	return max(wait, 0)
}

func (d *Damper) lasted(now time.Time, n fleet.NodeID) bool {
	since, differs := d.since[n]
	return differs && now.Sub(since) >= Damping
}
