package cost

import (
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Wave is a part of a rollout: how many nodes it includes, with those of the waves before it, and how long it is watched.
type Wave struct {
	Nodes int
	Soak  time.Duration
}

// Rollout returns how long waves take when a number of nodes may load at once and a number of them serve the candidate already.
func Rollout(waves []Wave, atOnce, serving int, load time.Duration) (all time.Duration) {
	for _, w := range waves {
		if more := w.Nodes - serving; more > 0 {
			all += load * time.Duration((more+max(atOnce, 1)-1)/max(atOnce, 1))
			serving = w.Nodes
		}
		all += w.Soak
	}
	return all
}

// The defaults of a policy. A test of the distributor's rollouts compares them with the distributor's.
const (
	smallFleet   = 20
	defaultShare = 25
	defaultWatch = 10 * time.Second
)

// Waves returns the waves of a policy for nodes with these labels, and how many may load at once. A wave by label includes its nodes, those
// of the label waves before it, and those of earlier waves by count. Waves by count take the nodes of label waves first.
func Waves(p fleet.Policy, labels []map[string]string) (waves []Wave, atOnce int) {
	nodes := len(labels)
	parts := p.Waves
	if len(parts) == 0 {
		parts = []fleet.Wave{{Nodes: 1}, {Percent: 100}}
	}
	for i, part := range parts {
		w := Wave{Nodes: part.Nodes, Soak: part.Soak}
		switch {
		case i == len(parts)-1:
			w.Nodes = nodes
		case part.Label != "":
			w.Nodes = named(parts[:i+1], labels)
		case part.Nodes == 0:
			w.Nodes = (nodes*part.Percent + 99) / 100
		}
		if i > 0 {
			w.Nodes = max(w.Nodes, waves[i-1].Nodes)
		}
		if w.Nodes = min(w.Nodes, nodes); w.Soak == 0 && p.HasGates() {
			w.Soak = defaultWatch
		}
		waves = append(waves, w)
	}
	share := p.MaxLoading
	if share <= 0 {
		if share = 100; nodes >= smallFleet {
			share = defaultShare
		}
	}
	return waves, max(1, nodes*share/100)
}

// named returns how many nodes a label wave names.
func named(waves []fleet.Wave, labels []map[string]string) (n int) {
	for _, node := range labels {
		if slices.ContainsFunc(waves, func(w fleet.Wave) bool { return w.Label != "" && fleet.HasLabel(node, w.Label) }) {
			n++
		}
	}
	return n
}
