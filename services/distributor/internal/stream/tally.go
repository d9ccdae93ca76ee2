package stream

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

const (
	// gather is how long outcomes are collected before they are counted.
	gather = 10 * time.Millisecond
	// A small tally is written at most this often, after a small burst; one of 10,000 nodes every 0.9 s.
	tallyInterval = 250 * time.Millisecond
	tallyBurst    = 4
	tallyTimeout  = 2 * time.Second
	// A tally with this many nodes costs twice as much as an empty one: etcd keeps every version in its history.
	nodesPerWrite = 4000
)

// writtenTally is this replica's tally in the ledger.
type writtenTally struct {
	rollout fleet.RolloutID
	tally   rollout.Tally
}

// A budget allows a burst of writes and then one in each interval.
type budget struct {
	used float64
	at   time.Time
}

// wait returns how long to wait until the next write.
func (b *budget) wait(now time.Time) time.Duration {
	b.used = max(0, b.used-float64(now.Sub(b.at))/float64(tallyInterval))
	b.at = now
	if b.used > tallyBurst-1 {
		return time.Duration((b.used - (tallyBurst - 1)) * float64(tallyInterval))
	}
	return 0
}

// spend pays for a tally with a number of nodes.
func (b *budget) spend(nodes int) { b.used += 1 + float64(nodes)/nodesPerWrite }

// recount notes that a group's tally may have changed.
func (h *Hub) recount(g *group) {
	g.mu.Lock()
	g.dirty = true
	g.mu.Unlock()
	h.ring()
}

func (h *Hub) ring() {
	select {
	case h.bell <- struct{}{}:
	default:
	}
}

// rewrite forgets what was written: it expired with its lease.
func (h *Hub) rewrite() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.groups {
		g.mu.Lock()
		g.written, g.evidence, g.dirty = writtenTally{}, writtenEvidence{}, true
		g.lease++
		g.mu.Unlock()
	}
	h.ring()
}

// tally writes changed tallies until ctx ends.
func (h *Hub) tally(ctx context.Context) error {
	return gathered(ctx, h.bell, func() (again time.Duration) {
		for _, g := range h.all() {
			if w := h.writeTally(ctx, g); w > 0 && (again == 0 || w < again) {
				again = w
			}
			h.forget(g)
		}
		return again
	})
}

// gathered does something soon after a bell, until ctx ends: what rings meanwhile is done with it. do returns when to do it again without a
// bell; 0 is not.
func gathered(ctx context.Context, bell <-chan struct{}, do func() (again time.Duration)) error {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-bell:
		case <-again:
		}
		if err := backoff.Sleep(ctx, gather); err != nil {
			return err
		}
		again = nil
		if wait := do(); wait > 0 {
			again = time.After(wait)
		}
	}
}

// writeTally writes the present tally of a group. It returns when to try again; 0 when it is written.
func (h *Hub) writeTally(ctx context.Context, g *group) time.Duration {
	g.mu.Lock()
	if !g.dirty {
		g.mu.Unlock()
		return 0
	}
	// Without budget nothing is counted either: outcomes come by the thousand.
	if wait := g.budget.wait(time.Now()); wait > 0 {
		g.mu.Unlock()
		return wait
	}
	id, t := g.count()
	was := g.written
	g.dirty = false
	if was.rollout == id && was.tally.Equal(t) {
		g.mu.Unlock()
		return 0
	}
	g.budget.spend(t.Connected)
	lease := g.lease
	g.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, tallyTimeout)
	defer cancel()
	known := was
	var err error
	if was.rollout != "" && was.rollout != id {
		err = h.tallies.Delete(ctx, g.id, was.rollout)
	}
	if err == nil && id != "" {
		h.metrics.tallyWrites.Inc()
		// A failed write may have happened. If it were forgotten, it would never be deleted.
		known = writtenTally{rollout: id}
		err = h.tallies.Put(ctx, g.id, id, t)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil:
		h.log.Debug("tally not written", telemetry.Group, g.id, telemetry.Err, err)
		g.dirty, g.written = true, known
		return tallyInterval
	case g.lease != lease:
		return tallyInterval // it expired with its lease, and the group is dirty again
	}
	g.written = writtenTally{id, t}
	return 0
}

// count counts the sessions of a group for the open rollout. Without one, or without sessions, there is no tally. The caller holds the
// lock.
func (g *group) count() (fleet.RolloutID, rollout.Tally) {
	if g.assignment == nil || g.assignment.Rollout == "" || len(g.sessions) == 0 {
		return "", rollout.Tally{}
	}
	a := *g.assignment
	t := rollout.Tally{Decision: a.Decision, Threshold: a.Threshold}
	for _, s := range g.inOrder() {
		if a.Includes(s.position) {
			s.countInto(&t, a.Candidate.Digest)
		}
	}
	// The same sessions must give the same tally, or it would be written again and again.
	slices.SortStableFunc(t.Refusals, func(x, y rollout.Refusal) int { return cmp.Compare(x.Node, y.Node) })
	t.Refusals = t.Refusals[:min(len(t.Refusals), rollout.MaxRefusals)]
	return a.Rollout, t
}

// inOrder returns the sessions in the hash order of the group. The caller holds the lock.
func (g *group) inOrder() []*session {
	if g.ordered == nil {
		g.ordered = slices.SortedFunc(maps.Values(g.sessions), func(x, y *session) int { return cmp.Compare(x.position, y.position) })
	}
	return g.ordered
}

func (s *session) countInto(t *rollout.Tally, candidate fleet.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quarantined {
		return
	}
	t.Connected++
	problems, refused := s.refused[candidate]
	switch {
	case refused:
		t.Refused++
		t.Nodes.Refused = append(t.Nodes.Refused, s.position)
		if len(problems) == 0 {
			problems = []rollout.Problem{{Message: "the gateway gave no reason"}}
		}
		for _, p := range problems {
			t.Refusals = append(t.Refusals, rollout.Refusal{Node: s.node, Problem: p})
		}
	case s.behind != "":
		// It follows a lost decision and refuses the candidate as older.
		t.Failed++
		t.Nodes.Failed = append(t.Nodes.Failed, s.position)
		if t.Failure == "" || s.behind < t.Failure {
			t.Failure = s.behind
		}
	case s.serving == candidate && s.handled == s.offered: // an offer that is not sent yet may change what it serves
		t.Serving++
		t.Nodes.Serving = append(t.Nodes.Serving, s.position)
	case s.failing == candidate:
		t.Failed++
		t.Nodes.Failed = append(t.Nodes.Failed, s.position)
		if s.kept {
			t.Nodes.Kept = append(t.Nodes.Kept, s.position)
		}
		if t.Failure == "" || s.failure < t.Failure {
			t.Failure = s.failure
		}
	default:
		t.Loading++
		t.Nodes.Loading = append(t.Nodes.Loading, s.position)
	}
}
