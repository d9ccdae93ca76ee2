// Package endpoints decides how changed endpoints reach gateways. A gateway without a database builds everything anew for a changed target,
// so what left is drained at once, without a load (docs/targets.md), and what a revision has to bring waits for a window, so that a rolling
// deployment costs one load for each of them. The package is pure: it watches nothing, calls nobody and has no clock.
package endpoints

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/silverback-gateway/silverback/kong/target"
)

// An Input is what drains are decided by.
type Input struct {
	// Served are the configurations of the revisions in use: those that gateways run or are told to run, and no others. The distributor
	// refuses a set with a target that none of them has.
	Served []Configuration
	// Present is the translation of the cluster as it is, and Cluster the endpoints that it was made of.
	Present Configuration
	Cluster Cluster
	// Mine and Others are what the owner keeps out now, and what the other owners do.
	Mine, Others []target.Name
	// Refused are upstreams whose drains the distributor refused (the reason LAST_TARGET) since Served, Mine or Others changed.
	Refused []string
}

// Drains are what an owner is to keep out: the whole set.
type Drains struct {
	Names []target.Name // sorted, each once
	Left  []Left        // sorted by name: what would be kept out, and is left for the revision
}

// A Left is a target that left and gets requests until a revision takes it out.
type Left struct {
	target.Name
	Why string
}

// Reasons of Left.
const (
	WhyLast    = "the upstream would have no target left, or less weight than its threshold"
	WhyChecks  = "the upstream has no health checks, and Kong keeps no target out without them"
	WhyRefused = "the distributor refused to drain targets of the upstream"
	WhyRoom    = "as many targets are drained as can be"
)

// Bounds of a set in bytes, below those of the distributor, which takes 512 KiB for all owners. A name may stand in an act of its own, with
// owner, author, time and reason: they count with it, so callers give short ones.
const (
	maxBytes  = 480 << 10
	nameFrame = 180
)

// a candidate is a target that left.
type candidate struct {
	target.Name
	state State // Gone, Unready or Leaving
	kept  bool  // the owner keeps it out already
}

// Decide returns what is to be kept out. A target is when a served configuration sends it requests, the present translation sends it none,
// and it was an endpoint that is gone or not ready now. What left because a route names other Services is a change of the configuration,
// and has its waves. Nothing is kept out of an upstream that the present translation does not have, and nothing for the lack of slices.
//
// An upstream is never emptied. Where all have left, the farthest from serving are kept out, and of those alike what is kept out already.
func Decide(in Input) Drains {
	left := in.left()
	slices.SortFunc(left, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.state, b.state), cmp.Compare(order(a.kept), order(b.kept)), a.Compare(b.Name))
	})
	var d Drains
	out := map[target.Name]bool{}
	for _, n := range in.Others {
		out[n] = true
	}
	count, bytes := len(in.Others), 0
	for _, c := range left {
		size := len(c.Upstream) + len(c.Target) + nameFrame
		switch {
		case slices.Contains(in.Refused, c.Upstream):
			d.leave(c.Name, WhyRefused)
		case !in.checked(c.Name):
			d.leave(c.Name, WhyChecks)
		case count == target.MaxKept || bytes+size > maxBytes:
			d.leave(c.Name, WhyRoom)
		case in.emptied(c.Name, out):
			d.leave(c.Name, WhyLast)
		default:
			d.Names = append(d.Names, c.Name)
			count, bytes, out[c.Name] = count+1, bytes+size, true
		}
	}
	slices.SortFunc(d.Names, target.Name.Compare)
	slices.SortFunc(d.Left, func(a, b Left) int { return a.Compare(b.Name) })
	return d
}

func (d *Drains) leave(n target.Name, why string) { d.Left = append(d.Left, Left{n, why}) }

func order(first bool) int {
	if first {
		return 0
	}
	return 1
}

// left returns the targets of served configurations that left the cluster, each once.
func (in Input) left() []candidate {
	mine := map[target.Name]bool{}
	for _, n := range in.Mine {
		mine[n] = true
	}
	var all []candidate
	seen := map[target.Name]bool{}
	for _, served := range in.Served {
		for upstream, u := range served.upstreams {
			for address, weight := range u.Targets {
				n := target.Name{Upstream: upstream, Target: address}
				if weight <= 0 || seen[n] {
					continue
				}
				if state, gone := in.gone(served, n); gone {
					seen[n] = true
					all = append(all, candidate{n, state, mine[n]})
				}
			}
		}
	}
	return all
}

// gone reports whether a target of a served configuration left the cluster, and what is left of it there.
func (in Input) gone(served Configuration, n target.Name) (State, bool) {
	present := in.Present.upstreams[n.Upstream]
	if present == nil || present.Targets[n.Target] > 0 ||
		slices.ContainsFunc(in.Served, func(c Configuration) bool { return c.foreign[n] }) {
		return 0, false
	}
	if present.Has(n.Target) && in.Present.sticky[n.Upstream] {
		return 0, false // it ends, and keeps the clients that it has
	}
	of := served.services[n.Upstream]
	known := len(of) > 0
	if !known {
		of = in.Present.services[n.Upstream]
	}
	if !in.Cluster.hasSlices(of) {
		return 0, false
	}
	if !known {
		if !isAddress(n.Target) {
			return 0, false
		}
		of = nil // it may have been an endpoint of any
	}
	state := in.Cluster.state(n.Target, of)
	return state, state != Ready
}

func isAddress(t string) bool {
	_, err := netip.ParseAddrPort(t)
	return err == nil
}

// checked reports whether a served configuration can do without a target at all.
func (in Input) checked(n target.Name) bool {
	return slices.ContainsFunc(in.Served, func(c Configuration) bool { return c.upstreams.Lacks(n) == nil })
}

// emptied reports whether a served upstream would answer nothing any more, or less than its threshold, if a target were kept out too.
func (in Input) emptied(n target.Name, out map[target.Name]bool) bool {
	return slices.ContainsFunc(in.Served, func(c Configuration) bool {
		u := c.upstreams[n.Upstream]
		return u != nil && u.Checked && u.Has(n.Target) && u.Emptied(func(t string) bool {
			return t == n.Target || out[target.Name{Upstream: n.Upstream, Target: t}]
		})
	})
}
