package stream

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

const (
	// evidenceInterval is how often agents send evidence, and how often it is written, while gates judge a rollout.
	evidenceInterval = 500 * time.Millisecond
	// baselineInterval is how often agents send evidence otherwise. A wave of the whole group is compared with it.
	baselineInterval = 10 * time.Second
	// baselineTime is how far back the baseline goes.
	baselineTime = 5 * time.Minute
	// Bounds of the evidence of one agent.
	maxBounds = 64
	maxProbes = 16
)

// phase says what evidence belongs to: one side of a wave of a rollout.
type phase struct {
	rollout fleet.RolloutID
	wave    int
	in      bool // the node serves the candidate
}

// observation is what a session keeps of its agent's evidence. The session's lock guards it.
type observation struct {
	asked   time.Duration // the last interval that the agent was asked for
	latest  *distributorv1.Evidence
	at      time.Time                 // when it came
	history []*distributorv1.Evidence // at least baselineInterval apart, the oldest first
	phase   phase
	since   time.Time               // when the phase began
	base    *distributorv1.Evidence // what growth is measured from; nil: the next evidence
	before  *rollout.Cell           // measured before the node got the candidate
	rollout fleet.RolloutID
}

// observed handles the evidence of an agent.
func (s *session) observed(e *distributorv1.Evidence) error {
	if err := checkEvidence(e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.observation
	if o.latest != nil && !grew(o.latest, e) {
		*o = observation{asked: o.asked} // the agent counts from 0 again
	}
	o.latest, o.at = e, time.Now()
	if n := len(o.history); n == 0 || e.GetAge().AsDuration()-o.history[n-1].GetAge().AsDuration() >= baselineInterval {
		o.history = append(o.history, e)
		for e.GetAge().AsDuration()-o.history[0].GetAge().AsDuration() > baselineTime {
			o.history = o.history[1:]
		}
	}
	return nil
}

// checkEvidence checks the bounds of the evidence of an agent.
func checkEvidence(e *distributorv1.Evidence) error {
	bounds, counts := e.GetLatencyBoundsMs(), e.GetLatencyCounts()
	ordered := slices.IsSorted(bounds) && !slices.ContainsFunc(bounds, func(b float64) bool { return !(b > 0 && b < 1e12) })
	if len(bounds) > maxBounds || len(counts) > 0 && len(counts) != len(bounds)+1 || !ordered || len(e.GetProbes()) > maxProbes ||
		!e.GetAge().IsValid() || e.GetAge().AsDuration() < 0 || e.GetFailedRequests() > e.GetRequests() {
		return fault.New(fault.Invalid, "BAD_EVIDENCE", "the evidence is larger than the contract allows, or of the wrong form")
	}
	for _, p := range e.GetProbes() {
		p.Path, p.Host = clean.Line(p.GetPath(), clean.MaxMessage), clean.Line(p.GetHost(), clean.MaxWord)
		p.Reason = clean.Line(p.GetReason(), clean.MaxWord)
		if p.GetFailed() > p.GetSent() {
			return fault.New(fault.Invalid, "BAD_EVIDENCE", "a probe failed more often than it was sent")
		}
	}
	return nil
}

// grew reports whether evidence continues earlier evidence: no number is smaller.
func grew(from, to *distributorv1.Evidence) bool {
	if to.GetAge().AsDuration() < from.GetAge().AsDuration() || to.GetRequests() < from.GetRequests() ||
		to.GetFailedRequests() < from.GetFailedRequests() || to.GetUpstreamFailures() < from.GetUpstreamFailures() ||
		to.GetWorkerRestarts() < from.GetWorkerRestarts() {
		return false
	}
	if !slices.Equal(from.GetLatencyBoundsMs(), to.GetLatencyBoundsMs()) {
		return len(from.GetLatencyBoundsMs()) == 0
	}
	for i, n := range from.GetLatencyCounts() {
		if i < len(to.GetLatencyCounts()) && to.GetLatencyCounts()[i] < n {
			return false
		}
	}
	return true
}

// between returns what a node measured between two pieces of evidence.
func between(node fleet.NodeID, from, to *distributorv1.Evidence) rollout.Cell {
	c := rollout.Cell{
		Node: node, Window: to.GetAge().AsDuration() - from.GetAge().AsDuration(), Counts: to.GetCountsRequests(),
		Requests: to.GetRequests() - from.GetRequests(), Failed: to.GetFailedRequests() - from.GetFailedRequests(),
		Upstream: to.GetUpstreamFailures() - from.GetUpstreamFailures(), Restarts: to.GetWorkerRestarts() - from.GetWorkerRestarts(),
	}
	if to.GetMeasuresLatency() {
		for i, n := range to.GetLatencyCounts() {
			if i < len(from.GetLatencyCounts()) {
				n -= from.GetLatencyCounts()[i]
			}
			c.Latency = append(c.Latency, n)
		}
	}
	for _, p := range to.GetProbes() {
		cell := rollout.ProbeCell{Name: p.GetPath(), Sent: p.GetSent(), Failed: p.GetFailed()}
		if p.GetHost() != "" {
			cell.Name = p.GetHost() + p.GetPath()
		}
		for _, old := range from.GetProbes() {
			if old.GetPath() == p.GetPath() && old.GetHost() == p.GetHost() && old.GetSent() <= p.GetSent() && old.GetFailed() <= p.GetFailed() {
				cell.Sent, cell.Failed = cell.Sent-old.GetSent(), cell.Failed-old.GetFailed()
			}
		}
		if cell.Failed > 0 {
			cell.Reason = p.GetReason()
		}
		c.Probes = append(c.Probes, cell)
	}
	return c
}

// watched says which rollout of a group is judged now; the zero value means none.
type watched struct {
	rollout   fleet.RolloutID
	wave      int
	candidate fleet.Digest
	gates     bool // the policy of the group has gates
}

// watch collects evidence until ctx ends.
func (h *Hub) watch(ctx context.Context) error {
	for {
		if err := backoff.Sleep(ctx, evidenceInterval); err != nil {
			return err
		}
		for _, g := range h.all() {
			h.judgeable(ctx, g)
		}
	}
}

// judgeable asks the agents of a group for evidence and writes what they sent.
func (h *Hub) judgeable(ctx context.Context, g *group) {
	w := h.watched(g.id)
	interval := time.Duration(0)
	switch {
	case w.rollout != "":
		interval = evidenceInterval
	case w.gates:
		interval = baselineInterval
	}
	g.mu.Lock()
	e := rollout.Evidence{Wave: w.wave}
	for _, s := range g.inOrder() {
		s.ask(interval)
		if w.rollout != "" && g.assignment != nil && g.assignment.Rollout == w.rollout {
			s.collect(&e, *g.assignment, w)
		}
	}
	was := g.evidence
	g.mu.Unlock()
	e.In, e.Out, e.Before = bounded(e.In), bounded(e.Out), bounded(e.Before)

	ctx, cancel := context.WithTimeout(ctx, tallyTimeout)
	defer cancel()
	if was.rollout != "" && was.rollout != w.rollout {
		if err := h.tallies.DeleteEvidence(ctx, g.id, was.rollout); err != nil {
			h.log.Debug("evidence not deleted", telemetry.Group, g.id, telemetry.Err, err)
			return
		}
		was = writtenEvidence{}
	}
	if empty := len(e.In)+len(e.Out) == 0; w.rollout != "" && !empty && !(was.rollout == w.rollout && reflect.DeepEqual(was.evidence, e)) {
		was = writtenEvidence{rollout: w.rollout} // a failed write may have happened
		if err := h.tallies.PutEvidence(ctx, g.id, w.rollout, e); err != nil {
			h.log.Debug("evidence not written", telemetry.Group, g.id, telemetry.Err, err)
		} else {
			was.evidence = e
		}
	}
	g.mu.Lock()
	g.evidence = was
	g.mu.Unlock()
}

// writtenEvidence is this replica's evidence in the ledger.
type writtenEvidence struct {
	rollout  fleet.RolloutID
	evidence rollout.Evidence
}

// watched returns which rollout of a group is judged now.
func (h *Hub) watched(id fleet.GroupID) watched {
	known := h.view.Group(id)
	newest := known.Newest()
	if newest == nil {
		return watched{gates: h.gates(id)}
	}
	policy := fleet.Policy(newest.Policy)
	if !newest.State.Open() || known.Assignment == nil || known.Assignment.Rollout != newest.ID || !policy.HasGates() {
		return watched{gates: h.gates(id)}
	}
	return watched{rollout: newest.ID, wave: newest.Wave, candidate: newest.Candidate.Digest, gates: true}
}

// ask sets how often the agent sends evidence; 0 means never.
func (s *session) ask(interval time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.reports || s.observation.asked == interval {
		return
	}
	s.observation.asked = interval
	select {
	case <-s.watch:
	default:
	}
	s.watch <- interval // does not block: the lock keeps others from filling it
}

// collect adds the measurements of a session's node to the evidence of its group.
func (s *session) collect(e *rollout.Evidence, a rollout.Assignment, w watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.observation
	in := a.Includes(s.position) && s.serving == w.candidate && s.handled == s.offered
	out := !a.Includes(s.position)
	if s.quarantined || o.latest == nil || !in && !out {
		o.phase = phase{}
		return
	}
	if now := (phase{w.rollout, w.wave, in}); o.phase != now {
		if in && o.rollout != w.rollout {
			o.rollout, o.before = w.rollout, nil
			if len(o.history) > 0 && o.history[0] != o.latest {
				o.before = new(between(s.node, o.history[0], o.latest))
			}
		}
		o.phase, o.since, o.base = now, time.Now(), nil
	}
	// Evidence from long before the phase would count too much from before it.
	if o.base == nil && o.at.After(o.since.Add(-evidenceInterval)) {
		o.base = o.latest
	}
	if o.base == nil || o.base == o.latest {
		return
	}
	if bounds := o.latest.GetLatencyBoundsMs(); len(e.Bounds) == 0 {
		e.Bounds = bounds
	}
	cell := between(s.node, o.base, o.latest)
	if !slices.Equal(e.Bounds, o.latest.GetLatencyBoundsMs()) {
		cell.Latency = nil // from a gateway of another version
	}
	if out {
		e.Out = append(e.Out, cell)
		return
	}
	e.In = append(e.In, cell)
	if o.before != nil && (len(o.before.Latency) == 0 || len(o.before.Latency) == len(cell.Latency)) {
		e.Before = append(e.Before, *o.before)
	}
}

// bounded returns at most rollout.MaxCells cells, those with the most failures, and one more with the sum of the rest.
func bounded(cells []rollout.Cell) []rollout.Cell {
	if len(cells) <= rollout.MaxCells {
		return cells
	}
	slices.SortStableFunc(cells, func(x, y rollout.Cell) int {
		return cmp.Or(cmp.Compare(failures(y), failures(x)), cmp.Compare(x.Node, y.Node))
	})
	rest := cells[rollout.MaxCells]
	for _, c := range cells[rollout.MaxCells+1:] {
		rest = rest.Plus(c)
	}
	rest.Node = ""
	return append(cells[:rollout.MaxCells:rollout.MaxCells], rest)
}

// failures returns how much went wrong in a cell.
func failures(c rollout.Cell) uint64 {
	n := c.Failed
	for _, p := range c.Probes {
		n += p.Failed
	}
	return n
}

// sendWatch asks the agent for evidence.
func sendWatch(stream serverStream, interval time.Duration) error {
	return stream.Send(&distributorv1.FollowAssignmentResponse{Message: &distributorv1.FollowAssignmentResponse_Watch{
		Watch: &distributorv1.Watch{Interval: durationpb.New(interval)}}})
}
