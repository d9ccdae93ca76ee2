package stream

import (
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

// keptOut is what the gateways of a group are to keep out, encoded once for all streams.
type keptOut struct {
	stamp fleet.Stamp
	frame *frame
}

// keepOut offers what the gateways of a group are to keep out to its sessions, unless they have it.
func (h *Hub) keepOut(g *group) {
	set := h.view.Group(g.id).Targets()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !h.encodeKept(g, set) {
		return
	}
	for _, s := range g.sessions {
		s.keepOut(g.kept)
	}
}

// encodeKept takes a newer set over, and reports whether it was one. The caller holds the lock of the group.
func (h *Hub) encodeKept(g *group, set targets.Set) bool {
	if g.kept.stamp == set.Stamp {
		return false
	}
	text, err := marshal(&distributorv1.FollowAssignmentResponse{Message: &distributorv1.FollowAssignmentResponse_TargetSet{
		TargetSet: setMessage(set)}})
	if err != nil {
		h.log.Error("drained targets cannot be encoded", telemetry.Group, g.id, telemetry.Err, err)
		return false
	}
	g.kept = keptOut{set.Stamp, &frame{own: text}}
	return true
}

func setMessage(set targets.Set) *distributorv1.TargetSet {
	m := &distributorv1.TargetSet{Epoch: int64(set.Stamp.Epoch), Version: int64(set.Stamp.Decision)}
	for _, n := range set.Names() {
		if last := len(m.Upstreams) - 1; last < 0 || m.Upstreams[last].GetName() != n.Upstream {
			m.Upstreams = append(m.Upstreams, &distributorv1.TargetSet_Upstream{Name: n.Upstream})
		}
		last := m.Upstreams[len(m.Upstreams)-1]
		last.Targets = append(last.Targets, n.Target)
	}
	return m
}

// keepOut has the writer send what to keep out, in place of an older set that waits. An agent that has it, or a newer one, is sent nothing.
func (s *session) keepOut(k keptOut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.frame == nil || !k.stamp.After(s.keeps) || k.stamp.Decision == 0 && s.keeps.Decision == 0 {
		return
	}
	s.keeps = k.stamp
	select {
	case <-s.keep:
	default:
	}
	s.keep <- k.frame // does not block: the lock keeps others from filling it
}

// countKept shows how many targets the gateways of a group are to keep out.
func (h *Hub) countKept(id fleet.GroupID, counted map[fleet.GroupID]int) {
	delete(counted, id)
	if n := len(h.view.Group(id).Targets().Names()); n > 0 {
		counted[id] = n
	}
	sum := 0
	for _, n := range counted {
		sum += n
	}
	h.metrics.drainedTargets.Set(float64(sum))
}
