// Package controller advances rollouts. It feeds revisions, nodes and tallies to rollout.Plan and writes the decisions to the ledger.
// Only the leader decides. Every replica keeps the cache, so that a new leader can decide at once.
package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/window"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/services/distributor/internal/webhook"
)

const (
	// gather is how long changes are collected before the next step.
	gather = 5 * time.Millisecond
	// idle is how long the loop waits without a change.
	idle         = 10 * time.Second
	writeTimeout = 5 * time.Second
)

// retries are the pauses after a decision that could not be written, and after a call that did not pin sources.
var retries = backoff.Policy{Base: 100 * time.Millisecond, Cap: 5 * time.Second, Jitter: 0.5}

// Deps are what a controller uses. All are required.
type Deps struct {
	Etcd       *clientv3.Client
	View       *store.View
	Cache      *Cache
	Translator translatorv1.TranslatorServiceClient
	Log        *slog.Logger
	Metrics    *Metrics
	Retention  Retention
	KeepEvents int // how many are kept at most
	Webhooks   *webhook.Sender
}

// A Controller advances the rollouts of all groups while it leads.
type Controller struct{ Deps }

// New returns a controller.
func New(d Deps) *Controller { return &Controller{d} }

// leadership is one term.
type leadership struct {
	*Controller
	fence etcdkv.Fence
	done  sync.WaitGroup
	bell  chan struct{} // capacity 1: a group was acted on

	mu    sync.Mutex
	state map[fleet.GroupID]*groupState
	over  error // why the term is over
}

// groupState is what a leader remembers about a group during its term. A successor does not need it: it reads the ledger and measures times
// by its own clock.
type groupState struct {
	busy    bool
	after   int64 // the etcd revision that the view must have reached
	retries backoff.Backoff
	notBy   time.Time
	watch   rollout.Stopwatch
	drifts  event.Damper
}

// Lead advances rollouts while this replica is leader. It continues where the previous leader stopped. The lease ends ctx. The fence guards
// every write, because a paused leader does not know that it was replaced.
func (c *Controller) Lead(ctx context.Context, term fleet.Term, fence etcdkv.Fence) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.View.Synced():
	}
	if err := c.Cache.Wait(ctx); err != nil {
		return err
	}
	l := &leadership{Controller: c, fence: fence, bell: make(chan struct{}, 1), state: map[fleet.GroupID]*groupState{}}
	defer c.Metrics.ended()
	defer l.done.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.done.Go(func() { l.collect(ctx) })
	l.done.Go(func() { l.trim(ctx) })
	l.done.Go(func() { l.Webhooks.Lead(ctx, store.Places{KV: l.Etcd, Fence: fence}) })
	sub := c.View.Subscribe()
	defer sub.Close()
	c.Log.Info("deciding", telemetry.Term, term)
	for {
		// These come before the reads, or a change in between would be missed.
		revisions, groups, nodes := c.Cache.revisions.Changes(), c.Cache.groups.Changes(), c.Cache.nodes.Changes()
		sub.Take()
		wait, err := l.step(ctx, time.Now())
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.bell:
		case <-sub.Bell():
		case <-revisions:
		case <-groups:
		case <-nodes:
		case <-time.After(wait):
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(gather):
		}
	}
}

// step plans every group, and returns when to do so again.
func (l *leadership) step(ctx context.Context, now time.Time) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return 0, l.over
	}
	wait := idle
	newest, policies, nodes, marks := l.Cache.revisions.All(), l.Cache.groups.All(), l.Cache.Nodes(), l.Cache.Marks()
	for id := range policies {
		if _, has := newest[id]; !has {
			newest[id] = head{} // it gets no rollout, but something may have to be told of it
		}
	}
	applied := l.View.Applied()
	for id, target := range newest {
		s := l.state[id]
		if s == nil {
			s = &groupState{retries: backoff.Backoff{Policy: retries}}
			l.state[id] = s
		}
		if s.busy || s.after > applied {
			continue // the bell or the view rings later
		}
		if left := s.notBy.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		policy, known := policies[id]
		was := l.View.Group(id)
		if !known && (was.Newest() == nil || !was.Newest().State.Open()) {
			// A group that the registry does not have gets no new rollout; an open one goes on.
			continue
		}
		input := inputOf(id, was, nodes[id])
		input.Newest, input.Policy = target.Target, policy
		input.Closed = rollout.ClosedUntil(now, window.Opens(now, policy.Windows))
		wait = min(wait, l.plan(ctx, now, s, was, input, event.Seen{
			Head: target.seen, Quarantined: marks[id].Quarantined, Drifted: marks[id].Drifted,
		}))
	}
	l.Metrics.groups(newest, l.View)
	return wait, nil
}

// plan begins to act for a group when there is something to decide or to tell, and returns when to plan again at the latest. The caller
// holds the lock.
func (l *leadership) plan(ctx context.Context, now time.Time, s *groupState, was store.Group, input rollout.Input, seen event.Seen) (
	wait time.Duration) {
	wait = idle
	var d rollout.Decision
	if !input.Newest.IsZero() {
		input.Ages = s.watch.Measure(now, input.Rollout, rollout.Count(input).Serving)
		d = rollout.Plan(now, input)
		if d.Wait > 0 {
			wait = min(wait, d.Wait)
		}
	}
	seen.Window.Holds, seen.Window.Until = rollout.HeldByWindow(input)
	n, later := s.tell(now, input.Group, was, seen)
	if later > 0 {
		wait = min(wait, later)
	}
	switch pins := input.Rollout != nil && input.Rollout.Pinning.Due(); {
	case !d.IsZero(), !n.IsZero():
		s.busy = true
		l.done.Go(func() { l.act(ctx, input.Group, s, was, d, n) })
	case pins:
		s.busy = true
		l.done.Go(func() { l.act(ctx, input.Group, s, was, l.pin(ctx, *input.Rollout), n) })
	}
	return wait
}

// inputOf returns what the ledger and the registry say about a group.
func inputOf(id fleet.GroupID, g store.Group, nodes []rollout.Node) rollout.Input {
	in := rollout.Input{Group: id, Epoch: g.Recovery.Epoch, Assignment: g.Assignment, Orders: g.Orders, Nodes: nodes}
	if newest := g.Newest(); newest != nil {
		in.Rollout, in.Tallies, in.Evidence = &newest.Rollout, g.Tallies(newest.ID), g.Evidence(newest.ID)
	}
	return in
}

// inputNow is inputOf with what this replica knows of revisions and policies.
func (c *Cache) inputNow(id fleet.GroupID, g store.Group) rollout.Input {
	in := inputOf(id, g, c.NodesOf(id))
	newest, _ := c.revisions.Get(id)
	in.Newest = newest.Target
	in.Policy, _ = c.groups.Get(id)
	now := time.Now()
	in.Closed = rollout.ClosedUntil(now, window.Opens(now, in.Policy.Windows))
	if in.Rollout != nil {
		in.Ages.Load = now.Sub(in.Rollout.LoadTime) // by the clocks of two replicas: nothing is decided by it
	}
	return in
}

// A Live is the newest rollout of a group as it is now.
type Live struct {
	Progress rollout.Progress
	Gates    []rollout.GateResult
	Next     string // what comes next
	Forecast *rollout.Forecast
	Interval time.Duration // between its last load and the first of the next rollout
}

// Live returns the newest rollout of a group as it is now. Any replica can.
func (c *Cache) Live(id fleet.GroupID, g store.Group) Live {
	in := c.inputNow(id, g)
	l := Live{Progress: rollout.Count(in), Gates: rollout.Gates(in)}
	l.Next, l.Forecast = rollout.Next(in, l.Progress, l.Gates), rollout.ForecastOf(in, l.Progress)
	l.Interval = in.LoadInterval()
	return l
}

// Waits reports whether the newest revision of a group waits for a change window or the load interval. Any replica can.
func (c *Cache) Waits(id fleet.GroupID, g store.Group) bool {
	_, held := rollout.Held(c.inputNow(id, g))
	return held
}

// act writes the decision for one group, and its news. Groups do not wait for each other.
func (l *leadership) act(ctx context.Context, id fleet.GroupID, s *groupState, was store.Group, d rollout.Decision, n store.News) {
	if d.Rollout != nil && d.Rollout.State == rollout.Halted && len(d.Rollout.Refusals) > 0 {
		d.Rollout.Refusals = l.locate(ctx, d.Rollout)
	}
	writeCtx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	began := time.Now()
	var revision int64
	err := errNotPinned
	if !d.IsZero() || !n.IsZero() {
		var newest *rollout.Rollout
		if was.Newest() != nil {
			newest = &was.Newest().Rollout
		}
		n.Events = append(n.Events, event.Decided(began.UTC(), newest, d)...)
		revision, err = store.Decide(writeCtx, l.Etcd, l.fence, id, was, d, n)
	}
	if err == nil {
		l.Metrics.told(n.Events)
		l.report(id, d, began)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.busy = false
	switch {
	case err == nil:
		s.after, s.notBy = revision, time.Time{}
		s.retries.Reset()
	case errors.Is(err, fault.Of(fault.StaleTerm)):
		l.over = err
	default:
		s.notBy = time.Now().Add(s.retries.Next())
		if !errors.Is(err, fault.Of(fault.Conflict)) && !errors.Is(err, errNotPinned) && ctx.Err() == nil {
			l.Log.Warn("decision not written; trying again", telemetry.Group, id, telemetry.Err, err)
		}
	}
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// report logs and traces a decision.
func (l *leadership) report(id fleet.GroupID, d rollout.Decision, began time.Time) {
	if d.Rollout == nil {
		return
	}
	r := d.Rollout
	r.Candidate.Trace.Start("decide", began, telemetry.Group, id, telemetry.Rollout, r.ID, telemetry.Revision, r.Candidate.Revision,
		"rollout_state", r.State, "wave", r.Wave, telemetry.Term, l.fence.Term).End(time.Now(), "")
	attributes := []any{telemetry.Group, id, telemetry.Rollout, r.ID, telemetry.Revision, r.Candidate.Revision, "rollout_state", r.State,
		"wave", r.Wave, telemetry.Term, l.fence.Term}
	switch r.State {
	case rollout.Halted:
		l.Log.Warn("rollout halted", append(attributes, "reason", r.Reason)...)
	case rollout.RolledBack:
		l.Log.Warn("rollout rolled back", append(attributes, "reason", r.Reason)...)
	case rollout.Completed:
		l.Log.Info("rollout completed", attributes...)
	default:
		l.Log.Info("rollout advanced", attributes...)
	}
	l.Metrics.decided(*r)
}
