package resource

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/cost"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// printLoads prints the loads that a node measured, and the forecast for the next one, if it has the size of the last.
func printLoads(a *app.App, n *registryv1.Node) {
	g := wire.Gateway(n.GetCapabilities(), n.GetStatus())
	if len(g.Samples) == 0 {
		return
	}
	for _, x := range g.Samples {
		growth := ""
		if x.Growth > 0 {
			growth = ", " + cost.RoughBytes(x.Growth) + " more in the workers after it"
		}
		a.Line(13, "Measured:    %s to serve %s (%s) on %s%s", show.Span(durationpb.New(x.Serving)), show.Count(x.Routes, "route", "routes"),
			show.Bytes(x.Bytes), show.Count(int64(x.Workers), "worker", "workers"), growth)
	}
	load, measured := g.Forecast(g.Samples[len(g.Samples)-1].Size)
	a.Line(13, "A load:      about %s (from %d measured loads), and %s more memory for a while", cost.Rough(load.Serving), measured,
		cost.RoughBytes(load.Memory))
}
