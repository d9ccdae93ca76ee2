package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

const (
	ledgerTimeout = 2 * time.Second
	// askAgain is the pause after etcd did not answer.
	askAgain = time.Second
)

// recheck asks etcd soon whether nodes of a group are ahead of the ledger, because the view of this replica may be late. The caller holds
// the lock of the group.
func (h *Hub) recheck(g *group) {
	g.recheckDue = true
	select {
	case h.recheckBell <- struct{}{}:
	default:
	}
}

// confirm reads the ledger from etcd for the groups to recheck. One read serves all of them.
func (h *Hub) confirm(ctx context.Context) error {
	return gathered(ctx, h.recheckBell, func() (again time.Duration) {
		groups := h.all()
		if err := h.confirmAll(ctx, groups); err != nil {
			h.log.Debug("ledger not read", telemetry.Err, err)
			again = askAgain
		}
		ahead := 0
		for _, g := range groups {
			g.mu.Lock()
			ahead += g.ahead
			g.mu.Unlock()
		}
		h.metrics.ahead.Set(float64(ahead))
		return again
	})
}

func (h *Hub) confirmAll(ctx context.Context, groups []*group) error {
	var due []*group
	for _, g := range groups {
		g.mu.Lock()
		if g.recheckDue {
			due = append(due, g)
		}
		g.recheckDue = false
		g.mu.Unlock()
	}
	if len(due) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	ledger, err := h.ledger(ctx)
	for _, g := range due {
		if err == nil {
			h.markAhead(g, ledger)
			continue
		}
		g.mu.Lock()
		g.recheckDue = true
		g.mu.Unlock()
	}
	return err
}

// markAhead marks the sessions whose nodes are ahead of the ledger.
func (h *Hub) markAhead(g *group, ledger store.Ledger) {
	has := ledger.Lineage(g.id)
	newest := has.Last
	assigned, decided := ledger.Assignments[g.id]
	decided = decided && assigned.Epoch == ledger.Recovery.Epoch
	g.mu.Lock()
	was := g.ahead
	g.ahead = 0
	var first fleet.NodeID
	var followed fleet.Stamp
	for _, s := range g.sessions {
		s.mu.Lock()
		switch {
		case rollout.IsAhead(s.followed, has):
			s.behind = fmt.Sprintf("%s follows %s, which the ledger does not have, and it is at %s: it was restored or lost; %s", s.node,
				s.followed, newest, rollout.Remedy)
			if g.ahead++; first == "" || s.node < first {
				first, followed = s.node, s.followed
			}
		case decided && s.stale == assigned.Stamp():
			// The agent does not say why. An agent of a version without epochs does not follow a recovery.
			s.behind = fmt.Sprintf("%s refuses %s as older than what it follows; upgrade the agent if its version has no epochs", s.node, s.stale)
		default:
			s.behind = ""
		}
		s.mu.Unlock()
	}
	ahead := g.ahead
	g.mu.Unlock()
	switch {
	case ahead > 0 && was == 0:
		h.log.Warn("nodes are ahead of the ledger: it was restored or lost, and they refuse what it decides", "remedy", rollout.Remedy,
			telemetry.Group, g.id,
			"nodes", ahead, telemetry.Node, first, "followed", followed.String(), "ledger", newest.String())
	case ahead == 0 && was > 0:
		h.log.Info("no node is ahead of the ledger any more", telemetry.Group, g.id, "ledger", newest.String())
	}
	h.recount(g)
}

// follows notes that the node answered a decision and did not refuse it as older.
func (s *session) follows(stamp fleet.Stamp) {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followed, s.stale = stamp, fleet.Stamp{}
	if s.behind != "" {
		s.behind = ""
		s.hub.recheck(s.group)
	}
}

// Followed returns the decisions that the nodes with a stream on this replica follow.
func (h *Hub) Followed() map[fleet.GroupID]map[fleet.NodeID]fleet.Stamp {
	groups := h.all()
	all := map[fleet.GroupID]map[fleet.NodeID]fleet.Stamp{}
	for _, g := range groups {
		nodes := map[fleet.NodeID]fleet.Stamp{}
		g.mu.Lock()
		for id, s := range g.sessions {
			s.mu.Lock()
			nodes[id] = s.followed
			s.mu.Unlock()
		}
		g.mu.Unlock()
		all[g.id] = nodes
	}
	return all
}
