package router

import (
	"net"
	"strconv"
	"sync/atomic"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
)

// upstream spreads requests over targets by weight, in a fixed order. Health checks and hashing are not simulated.
type upstream struct {
	targets []target
	total   uint64
	turn    *atomic.Uint64
}

type target struct {
	address string
	weight  uint64
}

func compileUpstreams(set *declarative.Population) map[string]*upstream {
	byID, byName := map[string]*upstream{}, map[string]*upstream{}
	for _, n := range set.ByKind["upstreams"] {
		u := &upstream{turn: &atomic.Uint64{}}
		byID[n.ID], byName[n.Text("name")] = u, u
	}
	for _, n := range set.ByKind["targets"] {
		u := byID[set.Target(n, "upstream")]
		if u == nil {
			continue
		}
		weight := uint64(100)
		if posted, ok := n.Own["weight"].(float64); ok {
			weight = uint64(posted)
		}
		address := n.Text("target")
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(address, "8000")
		}
		u.targets = append(u.targets, target{address: address, weight: weight})
		u.total += weight
	}
	return byName
}

// next returns the next address, or an empty string when no target has weight.
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

// Address returns where a service's next request goes, or an empty string when no target has weight.
func (r *Router) Address(s *Service) string {
	if u, ok := r.upstreams[s.Host]; ok {
		return u.next()
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}
