package rollout

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// A Forecast is what the loads of an open rollout take.
type Forecast struct {
	Load cost.Summary
	Left time.Duration // of the rollout, with its soaks
}

// ForecastOf returns what the rest of the newest rollout takes; nil when it has ended or no size is known.
func ForecastOf(in Input, p Progress) *Forecast {
	if in.Rollout == nil || !in.Rollout.State.Open() || in.Rollout.Candidate.Size.IsZero() {
		return nil
	}
	r := *in.Rollout
	var gateways []cost.Named
	var labels []map[string]string
	for _, n := range in.Nodes {
		if n.Online {
			labels = append(labels, n.Labels)
			gateways = append(gateways, cost.Named{Name: string(n.Name), Gateway: n.Gateway})
		}
	}
	f := &Forecast{Load: cost.Summarize(r.Candidate.Size, gateways)}
	waves, atOnce := cost.Waves(fleet.Policy(r.Policy), labels)
	if passed := max(r.Wave, 1) - 1; passed < len(waves) {
		waves = waves[passed:]
	}
	for i := range waves {
		if max(r.Wave, 1)+i <= r.Promoted {
			waves[i].Soak = 0
		}
	}
	atOnce = strainOf(in.Nodes, r.Candidate.Digest).ease(atOnce)
	f.Left = cost.Rollout(waves, atOnce, p.Serving, f.Load.Serving)
	return f
}
