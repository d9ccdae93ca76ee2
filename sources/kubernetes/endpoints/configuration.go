package endpoints

import (
	"encoding/json"
	"fmt"

	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// A Configuration is what matters here of a translated one. It is not changed once it is made.
type Configuration struct {
	upstreams target.Upstreams
	services  map[string][]Service // of each upstream; nil: not known
	sticky    map[string]bool      // the upstreams that send clients to the target that they had
	foreign   map[target.Name]bool // targets that were no endpoints: names, and addresses outside of the cluster
}

// Of returns the Configuration of a translation of the cluster.
func Of(result translate.Result, cluster Cluster) (Configuration, error) {
	c := Configuration{
		upstreams: target.Upstreams{}, services: map[string][]Service{}, sticky: map[string]bool{}, foreign: map[target.Name]bool{},
	}
	for _, origin := range result.Origins {
		if origin.Kind != "upstreams" {
			continue
		}
		for _, ref := range origin.Objects {
			if ref.Group == "" && ref.Kind == "Service" {
				c.services[origin.Name] = append(c.services[origin.Name], Service{ref.Namespace, ref.Name})
			}
		}
	}
	for _, u := range result.Config.Upstreams {
		checks, err := json.Marshal(u.Healthchecks)
		if err != nil {
			return Configuration{}, fmt.Errorf("health checks of upstream %s: %w", u.Name, err)
		}
		made := target.Checked(checks)
		c.upstreams[u.Name], c.sticky[u.Name] = made, u.StickySessionsCookie != nil
		for _, t := range u.Targets {
			c.add(made, u.Name, t, cluster)
		}
	}
	return c, nil
}

func (c Configuration) add(to *target.Upstream, upstream string, t declarative.Target, cluster Cluster) {
	address, err := target.Normal(t.Target)
	if err != nil {
		return // Kong would not take it either
	}
	weight := 100.0 // Kong's default
	if t.Weight != nil {
		weight = float64(*t.Weight)
	}
	to.Targets[address] = weight
	if of := c.services[upstream]; len(of) == 0 || cluster.state(address, of) == Gone {
		c.foreign[target.Name{Upstream: upstream, Target: address}] = true
	}
}

// Read returns the Configuration of the canonical bytes of a revision, of which it is not known what its targets were in the cluster:
// after a start, of what the gateways run. Only upstreams that the present translation has too are drained by it.
func Read(canonical []byte) (Configuration, error) {
	upstreams, err := target.Read(canonical)
	return Configuration{upstreams: upstreams}, err
}
