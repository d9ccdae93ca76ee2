package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/gate"
)

// WorkersGate fails when worker processes of Kong die. Every policy with a gate has it.
const WorkersGate = "workers"

const (
	// deadProbe is how many failures of a probe on a node count, and deadWorkers how many replaced workers.
	deadProbe   = 2
	deadWorkers = 2
	namedNodes  = 5
	// leastOutside is how many requests the nodes outside must have seen to be preferred to those of the wave before it.
	leastOutside = 30
)

// observed is all the evidence about the present wave.
type observed struct {
	look            gate.Look
	bounds          []float64
	in, out, before []Cell
}

// gather adds up the evidence of the replicas about a wave.
func gather(evidence []Evidence, wave int) (o observed) {
	for _, e := range evidence {
		if e.Wave != wave {
			continue // of the wave before
		}
		if len(o.bounds) == 0 {
			o.bounds = e.Bounds
		}
		if !slices.Equal(o.bounds, e.Bounds) {
			e.In, e.Out, e.Before = withoutLatency(e.In), withoutLatency(e.Out), withoutLatency(e.Before)
		}
		o.in, o.out, o.before = append(o.in, e.In...), append(o.out, e.Out...), append(o.before, e.Before...)
	}
	return o
}

func withoutLatency(cells []Cell) []Cell {
	cells = slices.Clone(cells)
	for i := range cells {
		cells[i].Latency = nil
	}
	return cells
}

// others returns what the wave is compared with, and its name: nodes outside of the waves, over the same time. When none is left outside,
// or those have hardly any traffic, it is the nodes of the wave as they were before.
func (o observed) others() ([]Cell, string, gate.Look) {
	look := o.look
	for _, c := range o.in {
		look.Window = max(look.Window, c.Window)
	}
	if len(o.before) == 0 || len(o.out) > 0 && (gate.Sum(failed(o.out)).Of >= leastOutside || gate.Sum(failed(o.before)).Of < leastOutside) {
		return o.out, "outside", look
	}
	look.Before = true
	return o.before, "before it (a weaker comparison)", look
}

// judge returns the results of the gates of the policy for the present wave; nil when the policy has no gate or no wave has begun.
func (in Input) judge(r Rollout) (results []GateResult) {
	policy := fleet.Policy(r.Policy)
	if !policy.HasGates() || r.Wave == 0 {
		return nil
	}
	o := gather(in.Evidence, r.Wave)
	o.look.Waves = r.Policy.WaveCount()
	for _, on := range []bool{policy.ErrorRatio != nil, policy.Latency != nil} {
		if on {
			o.look.Gates++
		}
	}
	if len(policy.Probes) > 0 {
		results = append(results, o.probes())
	}
	if g := policy.ErrorRatio; g != nil {
		results = append(results, o.errorRatio(*g))
	}
	if g := policy.Latency; g != nil {
		results = append(results, o.latency(*g))
	}
	if w := o.workers(); w.Outcome == GateFailed {
		results = append(results, w)
	}
	return results
}

// errorRatio compares the shares of failed requests.
func (o observed) errorRatio(g fleet.ErrorRatioGate) GateResult {
	result := GateResult{Gate: ErrorRatioGate}
	others, where, look := o.others()
	if missing := unmeasured(o.in, others, func(c Cell) bool { return c.Counts }); missing != "" {
		result.Outcome, result.Evidence = GateNotMeasured, missing+" no requests by status: the configuration needs Kong's prometheus plugin "+
			"with status_code_metrics"
		return result
	}
	wave, rest := failed(o.in), failed(others)
	w, x := gate.Sum(wave), gate.Sum(rest)
	least := float64(cmp.Or(g.MinRequests, fleet.DefaultMinRequests))
	switch {
	case x.Of > 0 && gate.Worse(wave, rest, failed(o.before), g.MaxIncreasePercent/100, look):
		result.Outcome, result.Nodes = GateFailed, worst(o.in, func(c Cell) float64 { return failedOf(c).Share() })
	case w.Of < least || x.Of < least:
		result.Outcome = GateInconclusive
	default:
		result.Outcome = GatePassed
	}
	result.Evidence = fmt.Sprintf("%s failed in the wave%s, %s %s; the limit is +%g %%", share(w), upstream(o.in), share(x), where,
		g.MaxIncreasePercent)
	if len(others) == 0 {
		result.Evidence = fmt.Sprintf("%s failed in the wave%s, and there is nothing to compare with", share(w), upstream(o.in))
	}
	result.Evidence += over(o.in)
	return result
}

// latency compares a quantile of latency.
func (o observed) latency(g fleet.LatencyGate) GateResult {
	result := GateResult{Gate: LatencyGate}
	others, where, look := o.others()
	if missing := unmeasured(o.in, others, func(c Cell) bool { return len(c.Latency) > 0 || c.Requests == 0 }); missing != "" {
		result.Outcome, result.Evidence = GateNotMeasured, missing+" no latency: the configuration needs Kong's prometheus plugin with "+
			"latency_metrics"
		return result
	}
	q := cmp.Or(g.QuantilePercent, fleet.DefaultQuantilePercent)
	wave, rest := histograms(o.bounds, o.in), histograms(o.bounds, others)
	worse, bound, known := gate.SlowerBy(wave, rest, histograms(o.bounds, o.before), q/100, 1+g.MaxIncreasePercent/100, look)
	n, m := requests(wave), requests(rest)
	switch {
	case worse:
		result.Outcome, result.Nodes = GateFailed, worst(o.in, func(c Cell) float64 { return slowOf(o.bounds, c, bound) })
	case !known || n < fleet.DefaultMinRequests || m < fleet.DefaultMinRequests:
		result.Outcome = GateInconclusive
	default:
		result.Outcome = GatePassed
	}
	result.Evidence = fmt.Sprintf("p%g is %s of %.0f requests in the wave, %s of %.0f %s; the limit is +%g %%, measured at %s%s",
		q, quantile(wave, q/100), n, quantile(rest, q/100), m, where, g.MaxIncreasePercent, milliseconds(bound), over(o.in))
	if !known {
		result.Evidence = fmt.Sprintf("%.0f requests in the wave, %.0f %s%s", n, m, where, over(o.in))
	}
	return result
}

// probes looks for a probe that fails on nodes of the wave, and neither failed there before nor fails on most nodes outside.
func (o observed) probes() GateResult {
	result := GateResult{Gate: ProbesGate, Outcome: GateInconclusive, Evidence: "no probe was answered in the wave yet"}
	sent, failures := uint64(0), uint64(0)
	var bad []fleet.NodeID
	said := ""
	for _, c := range o.in {
		for i, p := range c.Probes {
			sent, failures = sent+p.Sent, failures+p.Failed
			if p.Failed < deadProbe || 2*p.Failed < p.Sent || o.failedBefore(c.Node, p.Name) || o.failsOutside(i, p.Name) {
				continue
			}
			bad = append(bad, c.Node)
			if said == "" {
				said = fmt.Sprintf("probe %s failed %d of %d times on %s (%s), and did not fail there before", p.Name, p.Failed, p.Sent,
					cmp.Or(string(c.Node), "several nodes"), p.Reason)
			}
		}
	}
	slices.Sort(bad)
	bad = slices.Compact(bad)
	switch {
	case len(bad) > 0:
		if more := len(bad) - 1; more > 0 {
			said += fmt.Sprintf("; probes fail on %d more nodes", more)
		}
		result.Outcome, result.Evidence, result.Nodes = GateFailed, said, bad[:min(len(bad), namedNodes)]
	case sent > 0:
		result.Outcome, result.Evidence = GatePassed, fmt.Sprintf("%d of %d probes failed in the wave", failures, sent)
	}
	return result
}

// failedBefore reports whether a probe failed on a node before it got the candidate, half of the time or more.
func (o observed) failedBefore(node fleet.NodeID, probe string) bool {
	for _, c := range o.before {
		if c.Node != node {
			continue
		}
		for _, p := range c.Probes {
			if p.Name == probe && p.Failed > 0 && 2*p.Failed >= p.Sent {
				return true
			}
		}
	}
	return false
}

// failsOutside reports whether a probe fails on half of the nodes outside of the waves or more.
func (o observed) failsOutside(at int, probe string) bool {
	failing, all := 0, 0
	for _, c := range o.out {
		if at < len(c.Probes) && c.Probes[at].Name == probe && c.Probes[at].Sent > 0 {
			all++
			if 2*c.Probes[at].Failed >= c.Probes[at].Sent {
				failing++
			}
		}
	}
	return all > 0 && 2*failing >= all
}

// workers looks for nodes of the wave whose worker processes die, which those outside do not.
func (o observed) workers() GateResult {
	result := GateResult{Gate: WorkersGate, Outcome: GatePassed}
	for _, c := range o.out {
		if c.Restarts >= deadWorkers {
			return result
		}
	}
	for _, c := range o.in {
		if c.Restarts >= deadWorkers {
			result.Outcome = GateFailed
			result.Evidence = fmt.Sprintf("worker processes were replaced %d times on %s since it serves the candidate", c.Restarts,
				cmp.Or(string(c.Node), "several nodes"))
			if c.Node != "" {
				result.Nodes = append(result.Nodes, c.Node)
			}
			return result
		}
	}
	return result
}

// unmeasured says which side does not measure something; empty when each side does or has no evidence yet.
func unmeasured(in, others []Cell, measures func(Cell) bool) string {
	not := func(c Cell) bool { return !measures(c) }
	switch {
	case len(in) > 0 && slices.ContainsFunc(in, not):
		return "the gateways of the wave measure"
	case len(others) > 0 && slices.ContainsFunc(others, not):
		return "the gateways to compare with measure"
	}
	return ""
}

func failedOf(c Cell) gate.Count { return gate.Count{Hits: float64(c.Failed), Of: float64(c.Requests)} }

func failed(cells []Cell) (all []gate.Count) {
	for _, c := range cells {
		all = append(all, failedOf(c))
	}
	return all
}

func histograms(bounds []float64, cells []Cell) (all []gate.Histogram) {
	for _, c := range cells {
		if len(c.Latency) == len(bounds)+1 {
			all = append(all, gate.Histogram{Bounds: bounds, Counts: c.Latency})
		}
	}
	return all
}

func requests(all []gate.Histogram) (n float64) {
	for _, h := range all {
		n += h.Of()
	}
	return n
}

// slowOf returns the share of a cell's requests that took longer than a bound.
func slowOf(bounds []float64, c Cell, bound float64) float64 {
	if len(c.Latency) != len(bounds)+1 {
		return 0
	}
	return gate.Histogram{Bounds: bounds, Counts: c.Latency}.Over(bound).Share()
}

// worst names the nodes with the highest figures.
func worst(cells []Cell, figure func(Cell) float64) (names []fleet.NodeID) {
	cells = slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return c.Node == "" || figure(c) == 0 })
	slices.SortStableFunc(cells, func(x, y Cell) int { return cmp.Or(cmp.Compare(figure(y), figure(x)), cmp.Compare(x.Node, y.Node)) })
	for _, c := range cells[:min(len(cells), namedNodes)] {
		names = append(names, c.Node)
	}
	return names
}

func share(c gate.Count) string {
	return fmt.Sprintf("%s %% of %.0f requests", strings.TrimSuffix(fmt.Sprintf("%.1f", 100*c.Share()), ".0"), c.Of)
}

// upstream says how many of the failures the gateway answered itself, because no service was reachable or by a plugin.
func upstream(cells []Cell) string {
	n := uint64(0)
	for _, c := range cells {
		n += c.Upstream
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d answered by the gateway itself)", n)
}

// over says how many nodes were watched, and for how long.
func over(cells []Cell) string {
	n, window := 0, time.Duration(0)
	for _, c := range cells {
		n, window = n+c.size(), max(window, c.Window)
	}
	if n == 0 {
		return ", and no node of the wave was seen yet"
	}
	return fmt.Sprintf(", over %s on %d node(s) of the wave", window.Round(100*time.Millisecond), n)
}

func quantile(all []gate.Histogram, q float64) string {
	if len(all) == 0 {
		return "unknown"
	}
	sum := gate.Together(all)
	v, known := sum.Quantile(q)
	if !known {
		return "unknown"
	}
	if len(sum.Bounds) > 0 && v > sum.Bounds[len(sum.Bounds)-1] {
		return "over " + milliseconds(sum.Bounds[len(sum.Bounds)-1])
	}
	return milliseconds(v)
}

func milliseconds(ms float64) string { return fmt.Sprintf("%.0f ms", ms) }
