package kongtest

import (
	"net"
	"strconv"
	"sync/atomic"
)

// upstream spreads requests over targets by weight, in a fixed turn. Health
// checks and hashing are not simulated.
type upstream struct {
	targets []target
	total   uint64
	turn    *atomic.Uint64
}

type target struct {
	address string
	weight  uint64
}

func compileUpstreams(set *population) map[string]*upstream {
	byID, byName := map[string]*upstream{}, map[string]*upstream{}
	for _, n := range set.byKind["upstreams"] {
		u := &upstream{turn: &atomic.Uint64{}}
		byID[n.id], byName[n.text("name")] = u, u
	}
	for _, n := range set.byKind["targets"] {
		u := byID[set.target(n, "upstream")]
		if u == nil {
			continue
		}
		weight := uint64(100)
		if posted, ok := n.own["weight"].(float64); ok {
			weight = uint64(posted)
		}
		address := n.text("target")
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(address, "8000")
		}
		u.targets = append(u.targets, target{address: address, weight: weight})
		u.total += weight
	}
	return byName
}

// next returns the address whose turn it is, or nothing when no target has weight.
func (u *upstream) next() string {
	if u.total == 0 {
		return ""
	}
	at := (u.turn.Add(1) - 1) % u.total
	for _, t := range u.targets {
		if at < t.weight {
			return t.address
		}
		at -= t.weight
	}
	return ""
}

// address returns where a service's requests go now.
func (r *router) address(s *service) string {
	if u, ok := r.upstreams[s.host]; ok {
		return u.next()
	}
	return net.JoinHostPort(s.host, strconv.Itoa(s.port))
}
