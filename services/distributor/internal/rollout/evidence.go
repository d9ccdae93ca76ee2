package rollout

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Evidence is what the gateways of one replica's sessions measured in the present wave of a rollout. MaxCells bounds its size for any
// number of nodes.
type Evidence struct {
	Wave   int       `json:"wave"`
	Bounds []float64 `json:"bounds,omitempty"` // of the latency buckets of all cells, in milliseconds
	In     []Cell    `json:"in,omitempty"`     // nodes that serve the candidate
	Out    []Cell    `json:"out,omitempty"`    // nodes outside of the waves, over the same time
	Before []Cell    `json:"before,omitempty"` // the nodes of In before they got the candidate
}

// MaxCells is how many cells of a kind a replica reports. One more cell is the sum of the others.
const MaxCells = 64

// A Cell is what one node, or the sum of several, measured over a time.
type Cell struct {
	Node     fleet.NodeID  `json:"node,omitempty"`  // empty: several nodes
	Nodes    int           `json:"nodes,omitempty"` // how many; 0 means one
	Window   time.Duration `json:"window"`          // of several nodes the longest
	Counts   bool          `json:"counts,omitempty"`
	Requests uint64        `json:"requests,omitempty"`
	Failed   uint64        `json:"failed,omitempty"`
	Upstream uint64        `json:"upstream,omitempty"` // of the failed, those that the gateway answered itself
	Latency  []uint64      `json:"latency,omitempty"`  // by bucket; empty when not measured
	Restarts uint64        `json:"restarts,omitempty"` // of worker processes
	Probes   []ProbeCell   `json:"probes,omitempty"`   // in the order of the policy
}

// A ProbeCell counts one probe in a cell.
type ProbeCell struct {
	Name   string `json:"name"` // the path, after the host if there is one
	Sent   uint64 `json:"sent,omitempty"`
	Failed uint64 `json:"failed,omitempty"`
	Reason string `json:"reason,omitempty"` // of the last failure
}

// size returns how many nodes a cell stands for.
func (c Cell) size() int { return max(c.Nodes, 1) }

// Plus returns the sum of two cells. Probes are added in their order.
func (c Cell) Plus(other Cell) Cell {
	sum := Cell{
		Nodes: c.size() + other.size(), Window: max(c.Window, other.Window), Counts: c.Counts && other.Counts,
		Requests: c.Requests + other.Requests, Failed: c.Failed + other.Failed, Upstream: c.Upstream + other.Upstream,
		Restarts: c.Restarts + other.Restarts,
	}
	if len(c.Latency) == len(other.Latency) {
		for i, n := range c.Latency {
			sum.Latency = append(sum.Latency, n+other.Latency[i])
		}
	}
	for i, p := range c.Probes {
		if i < len(other.Probes) && other.Probes[i].Name == p.Name {
			p.Sent, p.Failed = p.Sent+other.Probes[i].Sent, p.Failed+other.Probes[i].Failed
			if p.Reason == "" {
				p.Reason = other.Probes[i].Reason
			}
		}
		sum.Probes = append(sum.Probes, p)
	}
	return sum
}

// Gates returns the results of the gates for the newest rollout: live while it is open, the recorded ones after its end.
func Gates(in Input) []GateResult {
	if in.Rollout == nil {
		return nil
	}
	if in.Rollout.State.Open() && in.Assignment != nil && in.Assignment.Rollout == in.Rollout.ID {
		if live := in.judge(*in.Rollout); live != nil {
			return live
		}
	}
	return in.Rollout.Gates
}
