package endpoints_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
)

// TestWhateverEndpointsDo changes a cluster at random, submits and proves revisions at random, and judges every set of drains by what the
// model knows, in its own words:
//   - a drained target is one that a revision in use sends requests to, and that its Services do not have ready;
//   - such a target is drained until no revision in use has it, unless its upstream would be emptied;
//   - no upstream is emptied, and the distributor would take the set.
func TestWhateverEndpointsDo(t *testing.T) {
	runs := uint64(100)
	if testing.Short() {
		runs = 40
	}
	drained := 0
	for seed := range runs {
		w := &world{m: newModel(), random: rand.New(rand.NewPCG(seed, 12)), t: t, seed: seed}
		w.m.options.DrainSupport = seed%3 == 0
		w.begin()
		for range 60 {
			w.step()
			w.judge()
		}
		if drained += w.drained; t.Failed() {
			return
		}
	}
	if drained == 0 {
		t.Error("nothing was ever drained")
	}
}

// revision is a committed configuration and the Services behind each of its upstreams.
type revision struct {
	configuration endpoints.Configuration
	services      map[string][]string           // by upstream
	targets       map[string]map[string]float64 // weights, by upstream and address:port
}

type world struct {
	m                 *model
	random            *rand.Rand
	t                 *testing.T
	seed              uint64
	stable, candidate *revision // what is in use; the candidate may be nil
	waiting           *revision // committed and not rolled out yet
	mine, others      []target.Name
	drained           int
}

func (w *world) begin() {
	for s := range 3 {
		w.m.pods[fmt.Sprintf("s%d", s)] = map[string]pod{}
		for range w.random.IntN(4) {
			w.m.pods[fmt.Sprintf("s%d", s)][w.address()] = ready
		}
	}
	w.m.ingress["shop"], w.m.routes["mix"] = "s0", []string{"s1", "s2"}
	w.stable = w.submit()
}

func (w *world) address() string { return fmt.Sprintf("10.0.0.%d", w.random.IntN(12)) }

func (w *world) service() string { return fmt.Sprintf("s%d", w.random.IntN(3)) }

// step changes one thing: mostly a pod, else a route, a revision's progress, or an operator's drain.
func (w *world) step() {
	pods := w.m.pods[w.service()]
	switch n := w.random.IntN(20); {
	case n < 4:
		pods[w.address()] = ready
	case n < 10:
		if all := slices.Sorted(maps.Keys(pods)); len(all) > 0 {
			address := all[w.random.IntN(len(all))]
			if next := []pod{unready, leaving, ready, ""}[w.random.IntN(4)]; next == "" {
				delete(pods, address)
			} else {
				pods[address] = next
			}
		}
	case n < 11:
		w.m.ingress["shop"] = w.service()
	case n < 12:
		w.m.routes["mix"] = [][]string{{"s1", "s2"}, {"s1"}, {"s2"}}[w.random.IntN(3)]
	case n < 15:
		w.waiting = w.submit()
	case n < 17 && w.candidate == nil:
		w.candidate, w.waiting = w.waiting, nil
	case n < 19 && w.candidate != nil:
		if w.random.IntN(4) > 0 {
			w.stable = w.candidate // else it is taken back
		}
		w.candidate = nil
	default:
		w.others = nil
		if all := slices.Sorted(maps.Keys(w.stable.targets)); len(all) > 0 && w.random.IntN(2) == 0 {
			up := all[w.random.IntN(len(all))]
			for address := range w.stable.targets[up] {
				w.others = append(w.others, target.Name{Upstream: up, Target: address})
				break
			}
		}
	}
}

func (w *world) submit() *revision {
	result, configuration, _ := w.m.observe(w.t)
	r := &revision{configuration, map[string][]string{}, map[string]map[string]float64{}}
	for _, u := range result.Config.Upstreams {
		r.targets[u.Name] = map[string]float64{}
		for _, one := range u.Targets {
			r.targets[u.Name][one.Target] = weight(one)
		}
	}
	for _, service := range w.m.ingress {
		r.services[upstream(service)] = []string{service}
	}
	for name, services := range w.m.routes {
		r.services["httproute.web."+name+".0"] = services
	}
	return r
}

func weight(t declarative.Target) float64 {
	if t.Weight == nil {
		return 100
	}
	return float64(*t.Weight)
}

func (w *world) inUse() (all []*revision) {
	for _, r := range []*revision{w.stable, w.candidate} {
		if r != nil {
			all = append(all, r)
		}
	}
	return all
}

func (w *world) judge() {
	in := endpoints.Input{Mine: w.mine, Others: w.others}
	for _, r := range w.inUse() {
		in.Served = append(in.Served, r.configuration)
	}
	_, in.Present, in.Cluster = w.m.observe(w.t)
	decided := endpoints.Decide(in)
	w.mine = decided.Names
	w.drained += len(decided.Names)
	present := w.submit()
	for _, n := range decided.Names {
		if !w.mayBeDrained(n) || present.targets[n.Upstream][n.Target] > 0 {
			w.fail("%s is drained", n)
		}
	}
	for _, r := range w.inUse() {
		for up, all := range r.targets {
			if present.targets[up] == nil {
				continue // the upstream goes with the revision
			}
			for address := range all {
				if n := (target.Name{Upstream: up, Target: address}); w.mustBeDrained(r, present, n) && !w.spared(n, decided.Names) {
					w.fail("%s is not drained, and nothing needs it", n)
				}
			}
			if w.emptied(all, up, decided.Names) && !w.emptied(all, up, nil) {
				w.fail("upstream %s is emptied", up)
			}
		}
	}
}

func (w *world) fail(format string, arguments ...any) {
	w.t.Errorf("seed %d: %s; pods %v, routes %v, drained %v, by others %v", w.seed, fmt.Sprintf(format, arguments...), w.m.pods, w.m.routes,
		w.mine, w.others)
}

// readyIn reports whether one of the Services has the address of a target ready.
func (w *world) readyIn(services []string, n target.Name) bool {
	return slices.ContainsFunc(services, func(s string) bool { return w.m.pods[s][n.Target[:len(n.Target)-len(":8080")]] == ready })
}

// mayBeDrained reports whether a revision in use sends requests to a target that its Services do not have ready.
func (w *world) mayBeDrained(n target.Name) bool {
	return slices.ContainsFunc(w.inUse(), func(r *revision) bool {
		return r.targets[n.Upstream][n.Target] > 0 && !w.readyIn(r.services[n.Upstream], n)
	})
}

// mustBeDrained is stricter: and the Services that the upstream has now do not have it ready either.
func (w *world) mustBeDrained(r, present *revision, n target.Name) bool {
	return r.targets[n.Upstream][n.Target] > 0 && !w.readyIn(r.services[n.Upstream], n) && !w.readyIn(present.services[n.Upstream], n)
}

// spared reports whether a target is drained, or its upstream would be emptied if it were.
func (w *world) spared(n target.Name, drained []target.Name) bool {
	return slices.Contains(drained, n) || slices.ContainsFunc(w.inUse(), func(r *revision) bool {
		return w.emptied(r.targets[n.Upstream], n.Upstream, append(slices.Clone(drained), n))
	})
}

// emptied reports whether nothing with a weight is left of an upstream.
func (w *world) emptied(all map[string]float64, up string, drained []target.Name) bool {
	total, left := 0.0, 0.0
	for address, weight := range all {
		n := target.Name{Upstream: up, Target: address}
		if total += weight; !slices.Contains(drained, n) && !slices.Contains(w.others, n) {
			left += weight
		}
	}
	return total > 0 && left == 0
}
