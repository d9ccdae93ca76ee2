package gate

import (
	"cmp"
	"slices"
)

// worstNodes is how many nodes a result names.
const worstNodes = 5

// bounds is by how many confidence bounds a gate of traffic can err: of the wave, of the control, of the nodes.
const bounds = 3

// leastCompared is how many requests the control must have before it is preferred to a weaker reference.
const leastCompared = 30

// Judge says what the gates come to at one look. It is to be called with counts since the wave began, at every look the whole of them,
// and may be called at any time and any number of times. The first Fail is meant to end the wave.
func Judge(limits Limits, treatment, control []Node, look Look) Verdict {
	j := judge{treatment, control, look, Promise / float64(max(1, look.Waves))}
	shared := 0
	for _, on := range []bool{limits.ErrorRatio != nil, limits.UpstreamFailures != nil, limits.Latency != nil, limits.Workers} {
		if on {
			shared++
		}
	}
	j.alpha /= float64(bounds * max(1, shared))

	var v Verdict
	if limits.Probes {
		v.Gates = append(v.Gates, j.probes(max(1, limits.ProbeFailures)))
	}
	if limits.ErrorRatio != nil {
		v.Gates = append(v.Gates, j.share(GateErrorRatio, *limits.ErrorRatio, failed))
	}
	if limits.UpstreamFailures != nil {
		v.Gates = append(v.Gates, j.share(GateUpstream, *limits.UpstreamFailures, upstream))
	}
	if limits.Latency != nil {
		v.Gates = append(v.Gates, j.latency(*limits.Latency))
	}
	if limits.Workers {
		v.Gates = append(v.Gates, j.workers())
	}
	v.Outcome = overall(v.Gates)
	return v
}

func overall(gates []Result) Outcome {
	out := Pass
	for _, g := range gates {
		switch g.Outcome {
		case Fail:
			return Fail
		case Inconclusive, NotMeasured:
			out = Inconclusive
		case Pass:
		}
	}
	return out
}

// A judge is one call of Judge. alpha is the level of one bound of one gate.
type judge struct {
	treatment, control []Node
	look               Look
	alpha              float64
}

// A tally is what a node counted for a gate.
type tally struct {
	id   string
	x, n float64
}

// A signal reads a tally from a sample; false when the gateway does not measure it.
type signal func(*Sample) (x, n uint64, ok bool)

func failed(s *Sample) (x, n uint64, ok bool) {
	return min(s.Failed, s.Requests), s.Requests, s.CountsRequests
}

func upstream(s *Sample) (x, n uint64, ok bool) {
	return min(s.UpstreamFailures, s.Requests), s.Requests, s.CountsRequests && s.CountsUpstream
}

func now(nodes []Node, read signal) (all []tally) {
	if len(nodes) > 0 {
		all = make([]tally, 0, len(nodes))
	}
	for i := range nodes {
		if x, n, ok := read(&nodes[i].Now); ok {
			all = append(all, tally{nodes[i].ID, float64(x), float64(n)})
		}
	}
	return all
}

func before(nodes []Node, read signal) (all []tally) {
	for i := range nodes {
		if nodes[i].Before == nil {
			continue
		}
		if x, n, ok := read(nodes[i].Before); ok {
			all = append(all, tally{nodes[i].ID, float64(x), float64(n)})
		}
	}
	return all
}

func sum(all []tally) (x, n float64) {
	for _, t := range all {
		x += t.x
		n += t.n
	}
	return x, n
}

// figure describes one side.
func figure(all []tally) Figure {
	x, n := sum(all)
	f := Figure{Nodes: len(all), Count: x, Of: uint64(n)}
	if n > 0 {
		f.Value = x / n
	}
	return f
}

// reference returns what the wave is compared with.
func (j judge) reference(read signal) (Reference, []tally) {
	control := now(j.control, read)
	_, n := sum(control)
	if n >= leastCompared {
		return Control, control
	}
	if frozen := now(j.look.Frozen, read); enough(frozen) {
		return Frozen, frozen
	}
	if own := before(j.treatment, read); enough(own) {
		return Before, own
	}
	if n > 0 {
		return Control, control
	}
	return Nothing, nil
}

func enough(all []tally) bool {
	_, n := sum(all)
	return n >= leastCompared
}

// worst returns the ids of those with the largest share, of those that have any.
func worst(all []tally) (ids []string) {
	all = slices.DeleteFunc(slices.Clone(all), func(t tally) bool { return t.x <= 0 || t.n <= 0 })
	slices.SortFunc(all, func(a, b tally) int {
		return cmp.Or(cmp.Compare(b.x/b.n, a.x/a.n), cmp.Compare(b.n, a.n), cmp.Compare(a.id, b.id))
	})
	for _, t := range all[:min(len(all), worstNodes)] {
		ids = append(ids, t.id)
	}
	return ids
}
