package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Bounds of what nodes report, so that no forecast overflows. They are beyond the size of any snapshot or machine.
const (
	maxEntities = 1 << 24
	maxBytes    = 1 << 32
	maxWorkers  = 1 << 10
	maxTime     = 24 * time.Hour
	maxMemory   = 1 << 50
)

// within returns a number between 0 and a bound.
func within[T int32 | int64 | time.Duration](n, most T) T { return min(max(n, 0), most) }

// Gateway converts a node's report about loads. Numbers are brought within bounds, and samples over the limit are dropped.
func Gateway(c *fleetv1.Capabilities, s *fleetv1.NodeStatus) cost.Gateway {
	g := cost.Gateway{
		Workers: int(within(c.GetWorkers(), maxWorkers)), LoadTimeout: max(c.GetLoadTimeout().AsDuration(), 0),
		MemoryLimit: within(c.GetMemoryLimitBytes(), maxMemory),
	}
	loads := s.GetRecentLoads()
	for _, m := range loads[max(0, len(loads)-cost.MaxSamples):] {
		g.Samples = append(g.Samples, cost.Sample{
			Size: cost.Size{Routes: within(m.GetRoutes(), maxEntities), Entities: within(m.GetEntities(), maxEntities),
				Bytes: within(m.GetBytes(), maxBytes)},
			Digest: fleet.Digest(m.GetDigest()), Workers: int(within(m.GetWorkers(), maxWorkers)),
			Posted: within(m.GetPostTime().AsDuration(), maxTime), Serving: within(m.GetServingTime().AsDuration(), maxTime),
			Memory: within(m.GetMemoryBytes(), maxMemory), Growth: within(m.GetMemoryGrowthBytes(), maxMemory),
		})
	}
	return g
}

// LoadSamples is the inverse for samples.
func LoadSamples(samples []cost.Sample) (all []*fleetv1.LoadSample) {
	for _, x := range samples {
		all = append(all, &fleetv1.LoadSample{
			Digest: string(x.Digest), Routes: x.Routes, Entities: x.Entities, Bytes: x.Bytes, Workers: int32(x.Workers),
			PostTime:    durationpb.New(x.Posted.Round(time.Millisecond)),
			ServingTime: durationpb.New(x.Serving.Round(time.Millisecond)), MemoryBytes: x.Memory, MemoryGrowthBytes: x.Growth,
		})
	}
	return all
}
