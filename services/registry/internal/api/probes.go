package api

import (
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// probeCache holds the decoded probes of groups, since every renewal is answered with them.
type probeCache struct {
	mu      sync.Mutex
	byGroup map[fleet.GroupID]groupProbes
}

type groupProbes struct {
	revision int64 // of the group
	probes   []*fleetv1.Probe
}

// probes returns the probes of a group; not to be modified. An unreadable policy has none.
func (s *Server) probes(name fleet.GroupID) []*fleetv1.Probe {
	g, ok := s.View.Group(name)
	c := &s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if !ok {
		delete(c.byGroup, name)
		return nil
	}
	if known, ok := c.byGroup[name]; ok && known.revision == g.Revision {
		return known.probes
	}
	var policy fleetv1.RolloutPolicy
	if proto.Unmarshal(g.Policy, &policy) != nil {
		return nil
	}
	if c.byGroup == nil {
		c.byGroup = map[fleet.GroupID]groupProbes{}
	}
	probes := policy.GetGates().GetProbes()
	c.byGroup[name] = groupProbes{revision: g.Revision, probes: probes}
	return probes
}
