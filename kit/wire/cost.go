package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Gateway converts what a node reports about loads. Numbers that cannot be are 0, and samples beyond the bound are dropped.
func Gateway(c *fleetv1.Capabilities, s *fleetv1.NodeStatus) cost.Gateway {
	g := cost.Gateway{
		Workers: int(max(c.GetWorkers(), 0)), LoadTimeout: max(c.GetLoadTimeout().AsDuration(), 0), MemoryLimit: max(c.GetMemoryLimitBytes(), 0),
	}
	loads := s.GetRecentLoads()
	for _, m := range loads[max(0, len(loads)-cost.MaxSamples):] {
		g.Samples = append(g.Samples, cost.Sample{
			Size:   cost.Size{Routes: max(m.GetRoutes(), 0), Entities: max(m.GetEntities(), 0), Bytes: max(m.GetBytes(), 0)},
			Digest: fleet.Digest(m.GetDigest()), Workers: int(max(m.GetWorkers(), 0)), Posted: max(m.GetPostTime().AsDuration(), 0),
			Serving: max(m.GetServingTime().AsDuration(), 0), Memory: max(m.GetMemoryBytes(), 0), Growth: max(m.GetMemoryGrowthBytes(), 0),
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
