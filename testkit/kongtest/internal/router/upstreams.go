package router

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
)

// upstream spreads requests over targets by weight, in a fixed order, but for those that are unhealthy. Only the Admin API changes the
// health of a target here (F46): checks and hashing are not simulated.
type upstream struct {
	name      string
	checked   bool    // it has health checks, so that targets have a health
	threshold float64 // the percentage of weight below which the upstream answers nothing
	targets   []*target
	turn      *atomic.Uint64
}

type target struct {
	id, address string
	weight      uint64
	unhealthy   atomic.Bool
}

func compileUpstreams(set *declarative.Population) (byName, byID map[string]*upstream) {
	byName, byID = map[string]*upstream{}, map[string]*upstream{}
	for _, n := range set.ByKind["upstreams"] {
		u := &upstream{name: n.Text("name"), turn: &atomic.Uint64{}}
		u.checked, u.threshold = healthChecks(n)
		byID[n.ID], byName[u.name] = u, u
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
		u.targets = append(u.targets, &target{id: n.ID, address: TargetAddress(n.Text("target")), weight: weight})
	}
	return byName, byID
}

// healthChecks reports whether an upstream has health checks by Kong's own rule, and their threshold.
func healthChecks(n *entity.Node) (checked bool, threshold float64) {
	number := func(path ...string) float64 {
		var value any = n.Own
		for _, name := range append([]string{"healthchecks"}, path...) {
			fields, _ := value.(map[string]any)
			value = fields[name]
		}
		x, _ := value.(float64)
		return x
	}
	for _, path := range [][]string{
		{"active", "healthy", "interval"}, {"active", "unhealthy", "interval"},
		{"passive", "unhealthy", "tcp_failures"}, {"passive", "unhealthy", "timeouts"}, {"passive", "unhealthy", "http_failures"},
	} {
		checked = checked || number(path...) != 0
	}
	return checked, number("threshold")
}

// TargetAddress is a target as Kong names it: with a port, and an address of IPv6 in full.
func TargetAddress(text string) string {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), "8000"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = ip.StringExpanded()
	}
	return net.JoinHostPort(host, port)
}

// next returns the next address, or an empty string when no target may be asked.
func (u *upstream) next() string {
	var total, available, unit uint64
	for _, t := range u.targets {
		if total += t.weight; !t.unhealthy.Load() {
			available += t.weight
			unit = divisor(unit, t.weight)
		}
	}
	if available == 0 || float64(available)*100 < u.threshold*float64(total) {
		return ""
	}
	at := (u.turn.Add(1) - 1) % (available / unit)
	for _, t := range u.targets {
		if t.unhealthy.Load() {
			continue
		}
		if at < t.weight/unit {
			return t.address
		}
		at -= t.weight / unit
	}
	return "" // the last one became unhealthy meanwhile
}

// divisor is the greatest common one, so that targets of one weight take turns.
func divisor(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Address returns where a service's next request goes, or an empty string when no target may be asked.
func (r *Router) Address(s *Service) string {
	if u, ok := r.upstreams[s.Host]; ok {
		return u.next()
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// TakeHealth takes over the health of targets that were in the same upstreams before. It is not for a router in use.
func (r *Router) TakeHealth(before *Router) {
	for name, was := range before.upstreams {
		u := r.upstreams[name]
		if u == nil || !u.checked {
			continue
		}
		for _, old := range was.targets {
			for _, t := range u.targets {
				if t.address == old.address {
					t.unhealthy.Store(old.unhealthy.Load())
				}
			}
		}
	}
}

// ForgetHealth makes all targets healthy.
func (r *Router) ForgetHealth() {
	for _, u := range r.upstreams {
		for _, t := range u.targets {
			t.unhealthy.Store(false)
		}
	}
}

// A TargetHealth is a target as the Admin API shows its health.
type TargetHealth struct {
	ID, Address, Health string
	Weight              uint64
}

// ErrNoTarget says that there is no such upstream, or that it has no such target.
var ErrNoTarget = errors.New("not found")

// Health returns the targets of an upstream, by its id.
func (r *Router) Health(upstreamID string) (all []TargetHealth) {
	u := r.upstreamIDs[upstreamID]
	if u == nil {
		return nil
	}
	for _, t := range u.targets {
		health := "HEALTHCHECKS_OFF"
		switch {
		case !u.checked || t.weight == 0:
		case t.unhealthy.Load():
			health = "UNHEALTHY"
		default:
			health = "HEALTHY"
		}
		all = append(all, TargetHealth{t.id, t.address, health, t.weight})
	}
	return all
}

// SetHealth changes the health of a target, for all workers and until the next load (F46). The target is named by its id or its address.
func (r *Router) SetHealth(upstreamID, named string, healthy bool) error {
	u := r.upstreamIDs[upstreamID]
	if u == nil {
		return ErrNoTarget
	}
	at := slices.IndexFunc(u.targets, func(t *target) bool { return t.id == named || t.address == named })
	if at < 0 {
		return ErrNoTarget
	}
	if !u.checked {
		return fmt.Errorf("no healthchecker found for %s", u.name)
	}
	u.targets[at].unhealthy.Store(!healthy)
	return nil
}
