package endpoints

import (
	"net"
	"slices"
	"strconv"

	discovery "k8s.io/api/discovery/v1"

	"github.com/silverback-gateway/silverback/kong/target"
)

// A State is what a cluster says of an endpoint, the farthest from serving first.
type State int

// The states of an endpoint.
const (
	// Gone is an endpoint that no slice of the Service has.
	Gone State = iota
	// Unready is one that does not answer as it should.
	Unready
	// Leaving is one that ends, and still answers what it has.
	Leaving
	// Ready is one that gets requests.
	Ready
)

// A Service names a Service of Kubernetes.
type Service struct{ Namespace, Name string }

// A Cluster is the endpoints of a cluster at one moment, by Service. It is not changed after Observe.
type Cluster struct {
	services  map[Service]bool
	addresses map[string][]endpoint // by address:port, as target.Normal has it
}

type endpoint struct {
	of    Service
	state State
}

// Observe reads slices as the translation does: the first address of each endpoint, at every port of the slice. An endpoint whose
// readiness is not known is ready. One that several slices of a Service have counts by the best of its states.
func Observe(slices []*discovery.EndpointSlice) Cluster {
	c := Cluster{services: map[Service]bool{}, addresses: map[string][]endpoint{}}
	for _, slice := range slices {
		of := Service{slice.Namespace, slice.Labels[discovery.LabelServiceName]}
		c.services[of] = true
		for _, e := range slice.Endpoints {
			if len(e.Addresses) == 0 {
				continue
			}
			for _, port := range slice.Ports {
				if port.Port == nil {
					continue
				}
				if name, err := target.Normal(net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*port.Port)))); err == nil {
					c.note(name, endpoint{of, stateOf(e.Conditions)})
				}
			}
		}
	}
	return c
}

func stateOf(c discovery.EndpointConditions) State {
	is := func(condition *bool) bool { return condition != nil && *condition }
	switch {
	case c.Ready == nil || *c.Ready:
		return Ready
	case is(c.Terminating) && is(c.Serving):
		return Leaving
	}
	return Unready
}

func (c Cluster) note(address string, e endpoint) {
	known := c.addresses[address]
	at := slices.IndexFunc(known, func(k endpoint) bool { return k.of == e.of })
	if at < 0 {
		c.addresses[address] = append(known, e)
		return
	}
	known[at].state = max(known[at].state, e.state)
}

// state returns the best state of an address among the endpoints of some Services; of all, where there are none.
func (c Cluster) state(address string, of []Service) State {
	best := Gone
	for _, e := range c.addresses[address] {
		if len(of) == 0 || slices.Contains(of, e.of) {
			best = max(best, e.state)
		}
	}
	return best
}

// hasSlices reports whether one of the Services has slices. A Service that selects pods has one even without any pod; without slices,
// nothing is known of its endpoints.
func (c Cluster) hasSlices(of []Service) bool {
	return slices.ContainsFunc(of, func(s Service) bool { return c.services[s] })
}
