package gate

import "slices"

// probeRuns is how many failures of a probe nothing is known of from before need to be, with no answer that was good.
const probeRuns = 3

// probes fails when a probe fails on a node that it did not fail on before. One that failed before as well must fail more often than it
// did. One that now fails on most of the control as well says nothing about the candidate.
func (j judge) probes(failures uint64) Result {
	r := Result{Gate: GateProbes, Window: j.look.Window}
	if len(j.control) == 0 {
		r.Reference = Before
	}
	excused := ""
	for _, node := range j.treatment {
		bad := false
		for _, p := range node.Now.Probes {
			r.Treated.Of += p.Sent
			r.Treated.Count += float64(p.Failed)
			if !j.probeFails(node, p, failures) {
				continue
			}
			if j.everywhere(p.Name) {
				excused = p.Name
				continue
			}
			bad = true
			if r.Detail == "" {
				r.Detail = p.Name + ": " + p.Reason
				if p.Reason == "" {
					r.Detail = p.Name
				}
			}
		}
		if len(node.Now.Probes) > 0 {
			r.Treated.Nodes++
		}
		if bad {
			r.Outcome = Fail
			if len(r.Nodes) < worstNodes {
				r.Nodes = append(r.Nodes, node.ID)
			}
		}
	}
	for _, node := range j.control {
		for _, p := range node.Now.Probes {
			r.Compared.Of += p.Sent
			r.Compared.Count += float64(p.Failed)
		}
		if len(node.Now.Probes) > 0 {
			r.Compared.Nodes++
		}
	}
	switch {
	case r.Outcome == Fail:
	case excused != "":
		r.Detail = excused + " fails on nodes outside of the wave as well"
	case len(j.treatment) > 0 && !slices.ContainsFunc(j.treatment, unproved):
		r.Outcome = Pass
	}
	return r
}

// unproved reports whether a probe of the node has no good answer yet.
func unproved(n Node) bool {
	return len(n.Now.Probes) == 0 || slices.ContainsFunc(n.Now.Probes, func(p Probe) bool { return p.Sent <= p.Failed })
}

func (j judge) probeFails(node Node, p Probe, failures uint64) bool {
	if p.Failed < failures {
		return false
	}
	if node.Before != nil {
		if was, ok := node.Before.probe(p.Name); ok && was.Sent > 0 {
			if was.Failed == 0 {
				return true
			}
			share := upper(float64(was.Failed), float64(was.Sent), j.alpha)
			return p.Failed >= probeRuns && exceeds(float64(p.Failed), float64(p.Sent), share, j.alpha)
		}
	}
	return p.Failed >= max(probeRuns, failures) && p.Failed == p.Sent
}

// everywhere reports whether a probe fails on half of the control or more.
func (j judge) everywhere(name string) bool {
	sent, failing := 0, 0
	for _, n := range j.control {
		if p, ok := n.Now.probe(name); ok && p.Sent > 0 {
			sent++
			if p.Failed > 0 {
				failing++
			}
		}
	}
	return sent > 0 && failing*2 >= sent
}
