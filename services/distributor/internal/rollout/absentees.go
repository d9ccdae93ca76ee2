package rollout

import (
	"slices"
)

// Unmanaged is the reason why a node is left out whose gateway serves something that no snapshot brought.
const Unmanaged = "unmanaged: its gateway would lose what it serves"

// leaveOutUnmanaged leaves out the unmanaged nodes whose gateways would lose something by the candidate. It reports whether there are more
// of them than before.
func (r *Rollout) leaveOutUnmanaged(nodes []Node, kept Positions) bool {
	var more Positions
	for _, position := range kept {
		if !r.LeftOut.has(position) {
			more = append(more, position)
		}
	}
	for _, n := range nodes {
		if more.has(n.Position) {
			r.addAbsentee(Absentee{Node: n.Name, Position: n.Position, Reason: Unmanaged})
		}
	}
	r.LeftOut = r.LeftOut.merge(more)
	return len(more) > 0
}

// leaveOut leaves out the sick nodes by which a reach grows: they were sick before the candidate reached them.
func (r *Rollout) leaveOut(nodes []Node, c counts, from, to Reach) {
	sick := sickOf(nodes, *r)
	if len(sick) == 0 || len(c.fit) == len(c.online) {
		return
	}
	var more Positions
	for _, position := range c.online {
		who, unwell := sick[position]
		if !unwell || from.Has(position) || !to.Has(position) || r.LeftOut.has(position) {
			continue
		}
		more = append(more, position)
		r.addAbsentee(who)
	}
	r.LeftOut = r.LeftOut.merge(more)
	r.Progress.LeftOut += len(more)
}

func (r *Rollout) addAbsentee(who Absentee) {
	if len(r.Absentees) < MaxAbsentees {
		r.Absentees = append(slices.Clip(r.Absentees), who)
	}
}
