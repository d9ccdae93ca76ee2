package desired

import (
	"fmt"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

// known returns what is known of a node's loads. An agent of before reports only how long the last one took: sizes says how large that was.
func known(n serving.Limits, sizes map[fleet.Digest]cost.Size) cost.Gateway {
	g := n.Gateway
	if size, ok := sizes[n.Digest]; ok && len(g.Samples) == 0 && n.LoadTime > 0 {
		g.Samples = []cost.Sample{{Size: size, Digest: n.Digest, Workers: g.Workers, Serving: n.LoadTime}}
	}
	return g
}

// slowest warns of the node whose forecast load takes the largest part of its agent's timeout, when that is over half of it; empty when
// there is none.
func slowest(all []serving.Limits, sizes map[fleet.Digest]cost.Size, size cost.Size) string {
	worst, share, many := "", 0.5, 0
	for _, n := range all {
		g := known(n, sizes)
		if g.LoadTimeout == 0 {
			continue
		}
		load, measured := g.Forecast(size)
		part := float64(load.Serving) / float64(g.LoadTimeout)
		if part <= 0.5 {
			continue
		}
		if many++; part <= share {
			continue
		}
		share = part
		from := "as gateways of its kind do"
		if measured > 0 {
			from = fmt.Sprintf("by %d load(s) that it measured", measured)
		}
		worst = fmt.Sprintf("%s is forecast to take %s to load %d routes (%d bytes), %s, and its agent gives a load %s: raise --load-timeout "+
			"there, or split the group", n.Node, cost.Rough(load.Serving), size.Routes, size.Bytes, from, g.LoadTimeout)
	}
	return worst + more(many)
}

// tightest warns of the node whose forecast load needs the largest part of its memory, when that is more than it has; empty when there is
// none. During a load a gateway has the old and the new configuration.
func tightest(all []serving.Limits, size cost.Size) string {
	worst, share, many := "", 1.0, 0
	for _, n := range all {
		if n.Gateway.MemoryLimit == 0 {
			continue
		}
		load, _ := n.Gateway.Forecast(size)
		part := float64(2*load.Memory) / float64(n.Gateway.MemoryLimit)
		if part <= 1 {
			continue
		}
		if many++; part <= share {
			continue
		}
		share = part
		worst = fmt.Sprintf("%s is forecast to need %s while it loads %d routes on %d workers, and may take %s: give it more memory or fewer "+
			"workers, or split the group", n.Node, cost.RoughBytes(2*load.Memory), size.Routes, n.Gateway.Workers,
			cost.RoughBytes(n.Gateway.MemoryLimit))
	}
	return worst + more(many)
}

// more says of how many nodes a warning is that names one.
func more(many int) string {
	if many <= 1 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", many-1)
}
