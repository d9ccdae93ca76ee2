package rollout

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Evidence is what the gateways of one replica's sessions have seen in the present wave of a rollout. Its size is bounded whatever the
// number of nodes: see MaxCells.
type Evidence struct {
	Wave   int       `json:"wave"`
	Bounds []float64 `json:"bounds,omitempty"` // of the buckets of latency, in milliseconds, of all cells
	In     []Cell    `json:"in,omitempty"`     // nodes that serve the candidate
	Out    []Cell    `json:"out,omitempty"`    // nodes that the waves have not reached, over the same time
	Before []Cell    `json:"before,omitempty"` // the nodes of In, before they got the candidate
}

// MaxCells is how many cells of a kind a replica reports. The others are added up in one more.
const MaxCells = 64

// A Cell is what one node, or several together, have seen over a time.
type Cell struct {
	Node     fleet.NodeID  `json:"node,omitempty"`  // of one node
	Nodes    int           `json:"nodes,omitempty"` // how many; 0 is one
	Window   time.Duration `json:"window"`          // of several nodes: the longest
	Counts   bool          `json:"counts,omitempty"`
	Requests uint64        `json:"requests,omitempty"`
	Failed   uint64        `json:"failed,omitempty"`
	Upstream uint64        `json:"upstream,omitempty"` // of the failed, those that the gateway could not pass on
	Latency  []uint64      `json:"latency,omitempty"`  // by bucket; empty when it is not measured
	Restarts uint64        `json:"restarts,omitempty"` // of worker processes
	Probes   []ProbeCell   `json:"probes,omitempty"`   // in the order of the policy
}

// A ProbeCell is what came of one probe in a cell.
type ProbeCell struct {
	Name   string `json:"name"` // path, with the host when there is one
	Sent   uint64 `json:"sent,omitempty"`
	Failed uint64 `json:"failed,omitempty"`
	Reason string `json:"reason,omitempty"` // of the last that failed
}

// size is how many nodes a cell stands for.
func (c Cell) size() int { return max(c.Nodes, 1) }

// Plus returns two cells together. Probes are added up in their order.
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

// Gates returns what the gates say of the newest rollout: live while it is open, as it was kept when it has ended.
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
