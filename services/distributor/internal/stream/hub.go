// Package stream sends assignments to agents and receives their verdicts. Every replica, leader or not, serves the agents that are
// connected to it. The package decides nothing: the assignment says who runs what.
package stream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

const (
	// helloTimeout is how long a stream may be open without a hello.
	helloTimeout = 10 * time.Second
	// enrolTimeout is how long the registry's watch may lag behind an agent that has just enrolled.
	enrolTimeout = 2 * time.Second
)

// A roster knows which agent holds a node's name. An empty boot id means that any agent may take it.
type roster interface {
	Holder(group fleet.GroupID, node fleet.NodeID) (boot string, changed <-chan struct{})
}

// Deps are what a hub uses.
type Deps struct {
	View       *store.View
	Content    *content.Store
	Tallies    *store.Tallies
	Roster     roster                                      // nil: any agent holds any name
	Ledger     func(context.Context) (store.Ledger, error) // reads the ledger from etcd
	Gates      func(fleet.GroupID) bool                    // reports whether the policy of a group has gates; nil: none has
	FrameBytes int                                         // bound of the cache of encoded deltas; 0 means DefaultFrameBytes
	Spread     time.Duration                               // agents reconnect within this time when this replica stops
	Log        *slog.Logger
	Metrics    *Metrics
}

// anybody is the roster that lets any agent take any name.
type anybody struct{}

func (anybody) Holder(fleet.GroupID, fleet.NodeID) (string, <-chan struct{}) { return "", nil }

// A Hub holds the sessions of one replica.
type Hub struct {
	view        *store.View
	frames      *frames
	tallies     *store.Tallies
	roster      roster
	spread      time.Duration
	log         *slog.Logger
	metrics     *Metrics
	bell        chan struct{} // capacity 1: some tally must be counted again
	recheckBell chan struct{} // capacity 1: nodes may be ahead of the ledger
	ledger      func(context.Context) (store.Ledger, error)
	gates       func(fleet.GroupID) bool

	mu        sync.Mutex
	groups    map[fleet.GroupID]*group
	closing   bool
	suspended error // why streams are refused for now; nil when they are not
	// The nodes in quarantine, by group and name.
	quarantine map[[2]string]bool
}

// A group is the sessions of one group on this replica.
type group struct {
	id    fleet.GroupID
	users int // sessions, from before they join until after they leave; guarded by Hub.mu

	mu         sync.Mutex
	assignment *rollout.Assignment
	sessions   map[fleet.NodeID]*session
	ordered    []*session // the same in the group's hash order; nil when outdated
	dirty      bool       // its tally may have changed
	written    writtenTally
	evidence   writtenEvidence
	lease      int // how often written was reset because a lease was lost
	budget     budget
	kept       keptOut
	recheckDue bool // nodes may be ahead of the ledger
	ahead      int  // how many are
}

// NewHub returns a hub without sessions.
func NewHub(d Deps) *Hub {
	if d.Roster == nil {
		d.Roster = anybody{}
	}
	if d.Gates == nil {
		d.Gates = func(fleet.GroupID) bool { return false }
	}
	return &Hub{
		view: d.View, frames: newFrames(d.Content, d.FrameBytes, d.Metrics), tallies: d.Tallies, roster: d.Roster, spread: d.Spread, log: d.Log,
		metrics: d.Metrics,
		bell:    make(chan struct{}, 1), recheckBell: make(chan struct{}, 1), ledger: d.Ledger, groups: map[fleet.GroupID]*group{},
		quarantine: map[[2]string]bool{}, gates: d.Gates,
	}
}

// Run offers assignments to the sessions and writes tallies until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	return run.All(ctx, h.follow, h.tally, h.watch, h.confirm, h.audit, func(ctx context.Context) error {
		return h.tallies.Run(ctx,
			h.rewrite)
	})
}

// audit ends the streams of agents whose name another agent holds. They were admitted while the registry did not answer, or before its
// first list was complete.
func (h *Hub) audit(ctx context.Context) error {
	for {
		if err := backoff.Sleep(ctx, enrolTimeout); err != nil {
			return err
		}
		for _, g := range h.all() {
			g.mu.Lock()
			sessions := maps.Clone(g.sessions)
			g.mu.Unlock()
			for node, s := range sessions {
				if holder, _ := h.roster.Holder(g.id, node); holder != "" && holder != s.boot {
					h.metrics.taken.Inc()
					s.close(taken(string(g.id), string(node)))
				}
			}
		}
	}
}

// follow offers changed assignments to the sessions.
func (h *Hub) follow(ctx context.Context) error {
	sub := h.view.Subscribe()
	defer sub.Close()
	counted := map[fleet.GroupID]int{}
	for _, id := range h.view.Groups() { // read before the subscription
		h.countKept(id, counted)
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-sub.Bell():
		}
		for _, id := range sub.Take() {
			h.countKept(id, counted)
			h.mu.Lock()
			g := h.groups[id]
			h.mu.Unlock()
			if g != nil {
				h.keepOut(g)
				h.assign(g)
			}
		}
	}
}

// assign offers the newest assignment to the sessions of a group. No assignment, or an older one, changes nothing.
func (h *Hub) assign(g *group) {
	a := h.view.Group(g.id).Assignment
	g.mu.Lock()
	if a == nil || g.assignment != nil && !a.Stamp().After(g.assignment.Stamp()) {
		if g.ahead > 0 {
			h.recheck(g) // the epoch may have changed
		}
		g.mu.Unlock()
		return
	}
	g.assignment = a
	if g.ahead > 0 {
		h.recheck(g)
	}
	for _, s := range g.sessions {
		s.offer(a, false)
	}
	g.mu.Unlock()
	h.recount(g)
}

// Follow serves one agent's stream until it ends.
func (h *Hub) Follow(stream serverStream) error {
	first, joined, broken := make(chan *distributorv1.Hello, 1), make(chan *session, 1), make(chan error, 1)
	// The reader ends with the stream's context, which gRPC ends when this handler returns.
	go func() { broken <- h.read(stream, first, joined) }()
	var hello *distributorv1.Hello
	select {
	case err := <-broken:
		return endOf(err)
	case <-time.After(helloTimeout):
		return fault.New(fault.Invalid, "NO_HELLO", "no hello within %s", helloTimeout)
	case hello = <-first:
	}
	if err := h.admit(stream.Context(), hello); err != nil {
		return err
	}
	s, err := h.join(hello)
	if err != nil {
		return err
	}
	defer h.leave(s)
	joined <- s
	// The agent learns that it is connected, also when there is no directive for it.
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	return endOf(s.write(stream, broken))
}

// endOf returns no error when the agent ended its stream.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (h *Hub) read(stream serverStream, first chan<- *distributorv1.Hello, joined <-chan *session) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	if m.GetHello() == nil {
		return fault.New(fault.Invalid, "NO_HELLO", "the first message must be a hello")
	}
	first <- m.GetHello()
	select {
	case <-stream.Context().Done():
		return context.Cause(stream.Context())
	case s := <-joined:
		return s.read(stream)
	}
}

// admit admits the agent that holds the node's name, and no other: two agents under one name would keep ending each other's streams. It
// waits a moment for the registry's watch, which may lag behind an agent that has just enrolled.
func (h *Hub) admit(ctx context.Context, hello *distributorv1.Hello) error {
	over := time.After(enrolTimeout)
	for {
		holder, changed := h.roster.Holder(fleet.GroupID(hello.GetGroup()), fleet.NodeID(hello.GetNode()))
		if holder == "" || holder == hello.GetBootId() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-over:
			h.metrics.taken.Inc()
			return taken(hello.GetGroup(), hello.GetNode())
		}
	}
}

func taken(group, node string) error {
	return fault.New(fault.WrongState, "NODE_TAKEN", "another agent is enrolled as node %q of group %q: give each agent of a group a name "+
		"of its own", node, group).
		With("group", group).With("node", node)
}

// Enrolled ends the stream of a node when it belongs to another agent than the enrolled one.
func (h *Hub) Enrolled(group fleet.GroupID, node fleet.NodeID, boot string) {
	h.mu.Lock()
	g := h.groups[group]
	h.mu.Unlock()
	if g == nil {
		return
	}
	g.mu.Lock()
	s := g.sessions[node]
	g.mu.Unlock()
	if s != nil && s.boot != boot {
		h.metrics.taken.Inc()
		s.close(taken(string(group), string(node)))
	}
}

// Quarantine sets whether a node is in quarantine. Such a node gets no directives; afterwards it gets the present one.
func (h *Hub) Quarantine(group fleet.GroupID, node fleet.NodeID, in bool) {
	h.mu.Lock()
	key := [2]string{string(group), string(node)}
	was := h.quarantine[key]
	if in {
		h.quarantine[key] = true
	} else {
		delete(h.quarantine, key)
	}
	h.metrics.quarantined.Set(float64(len(h.quarantine)))
	g := h.groups[group]
	h.mu.Unlock()
	if g != nil && was != in {
		g.quarantine(node, in)
		h.recount(g)
	}
}

// quarantine applies a quarantine, or its end, to the session of a node.
func (g *group) quarantine(node fleet.NodeID, in bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[node]
	if s == nil {
		return
	}
	s.mu.Lock()
	s.quarantined, s.assigned = in, rollout.Target{}
	s.mu.Unlock()
	if !in && g.assignment != nil {
		s.offer(g.assignment, true)
	}
}

// quarantined reports whether a node is in quarantine.
func (h *Hub) quarantined(group fleet.GroupID, node fleet.NodeID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.quarantine[[2]string{string(group), string(node)}]
}

// join opens a session. It ends an older one of the same node.
func (h *Hub) join(hello *distributorv1.Hello) (*session, error) {
	var violations []fault.Violation
	if err := fleet.ValidName("group", hello.GetGroup()); err != nil {
		violations = append(violations, fault.Violation{Field: "hello.group", Description: err.Error()})
	}
	if err := fleet.ValidName("node", hello.GetNode()); err != nil {
		violations = append(violations, fault.Violation{Field: "hello.node", Description: err.Error()})
	}
	if len(violations) > 0 {
		return nil, fault.InvalidFields(violations...)
	}
	h.mu.Lock()
	if h.closing {
		h.mu.Unlock()
		return nil, fault.New(fault.Down, "STOPPING", "this replica is stopping")
	}
	if away := h.suspended; away != nil {
		h.mu.Unlock()
		return nil, away
	}
	id := fleet.GroupID(hello.GetGroup())
	g := h.groups[id]
	if g == nil {
		g = &group{id: id, sessions: map[fleet.NodeID]*session{}}
		h.groups[id] = g
	}
	g.users++
	h.mu.Unlock()
	s := newSession(h, g, hello)
	s.quarantined = h.quarantined(id, s.node)
	g.mu.Lock()
	if a := h.view.Group(id).Assignment; a != nil && (g.assignment == nil || a.Stamp().After(g.assignment.Stamp())) {
		g.assignment = a
		for _, other := range g.sessions {
			other.offer(a, false)
		}
	}
	if held := h.view.Group(id); rollout.IsAhead(s.followed, rollout.Lineage(held.Recovery.Epoch, held.Assignment)) {
		h.recheck(g)
	}
	older := g.sessions[s.node]
	g.sessions[s.node], g.ordered = s, nil
	if h.encodeKept(g, h.view.Group(id).Targets()) {
		for _, other := range g.sessions {
			other.keepOut(g.kept)
		}
	}
	s.keepOut(g.kept)
	if g.assignment != nil {
		s.offer(g.assignment, true)
	}
	g.mu.Unlock()
	if older != nil {
		older.close(fault.New(fault.Conflict, "NEWER_STREAM", "node %s opened a newer stream", s.node))
	}
	h.metrics.sessions.Inc()
	h.recount(g)
	if in := h.quarantined(id, s.node); in != s.isQuarantined() { // changed between the two locks
		g.quarantine(s.node, in)
	}
	// Drain or Suspend may have run between the two locks.
	h.mu.Lock()
	closing := h.closing || h.suspended != nil
	h.mu.Unlock()
	if closing {
		s.close(nil)
	}
	return s, nil
}

// base returns the digest that a node holds when a delta may be based on it, and otherwise none. Only the content of the node's own group
// qualifies: a node could claim to hold the content of another group, and a delta would reveal that. The assignment and the rollouts name
// the content of a group; a node with older content gets the whole snapshot.
func (h *Hub) base(group fleet.GroupID, held fleet.Digest) fleet.Digest {
	if held == "" {
		return ""
	}
	known := h.view.Group(group)
	if a := known.Assignment; a != nil {
		if held == a.Stable.Digest || held == a.Candidate.Digest || slices.ContainsFunc(a.Held,
			func(h rollout.Hold) bool { return h.Target.Digest == held }) {
			return held
		}
	}
	for _, r := range known.Rollouts {
		if held == r.Stable.Digest || held == r.Candidate.Digest {
			return held
		}
	}
	return ""
}

func (h *Hub) leave(s *session) {
	s.group.mu.Lock()
	if s.group.sessions[s.node] == s {
		delete(s.group.sessions, s.node)
		s.group.ordered = nil
	}
	if s.group.ahead > 0 {
		h.recheck(s.group)
	}
	s.group.mu.Unlock()
	h.metrics.sessions.Dec()
	h.mu.Lock()
	s.group.users--
	h.mu.Unlock()
	h.recount(s.group)
}

// forget drops a group without sessions once its reports are deleted. Any name in a hello creates a group.
func (h *Hub) forget(g *group) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users == 0 && !g.dirty && g.written.rollout == "" && g.evidence.rollout == "" {
		delete(h.groups, g.id)
	}
}

// Drain asks every agent to reconnect to another replica, and refuses new streams.
func (h *Hub) Drain() { h.sendAway(func() { h.closing = true }) }

// Suspend asks every agent to reconnect to another replica, and refuses new streams with why until Resume.
func (h *Hub) Suspend(why error) { h.sendAway(func() { h.suspended = why }) }

// Resume accepts streams again.
func (h *Hub) Resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.suspended = nil
}

func (h *Hub) sendAway(change func()) {
	h.mu.Lock()
	change()
	h.mu.Unlock()
	for _, g := range h.all() {
		g.mu.Lock()
		for _, s := range g.sessions {
			s.close(nil)
		}
		g.mu.Unlock()
	}
}

// all returns the groups.
func (h *Hub) all() []*group {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*group, 0, len(h.groups))
	for _, g := range h.groups {
		all = append(all, g)
	}
	return all
}
