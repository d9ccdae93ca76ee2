// Package session holds the sessions of nodes that renew at this replica, under one lease. Renewals without a change stay in memory;
// changes are written in batches. A session belongs to the replica that its node called last.
package session

import (
	"context"
	"log/slog"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// Ledger stores sessions.
type Ledger interface {
	Commit(ctx context.Context, lease clientv3.LeaseID, changes []store.Change) ([]store.Result, error)
	Current(ctx context.Context, key roster.Key) (store.Current, error)
}

// Config configures Sessions. All fields are required.
type Config struct {
	Replica string
	TTL     time.Duration
	Log     *slog.Logger
	Metrics *Metrics
}

// Sessions is the set of sessions that this replica holds. It is safe for concurrent use.
type Sessions struct {
	Config
	ledger Ledger
	leases clientv3.Lease
	guess  func(roster.Key) store.Current

	mu         sync.Mutex
	entries    map[roster.Key]*entry
	queue      []roster.Key // changes to write, oldest first
	queued     map[roster.Key]bool
	ended      map[roster.Key]ended      // sessions of other replicas that expired
	duplicates map[roster.Key]*duplicate // recently refused agents
	bell       chan struct{}             // capacity 1
	lease      clientv3.LeaseID
	granted    chan struct{} // closed while there is a lease
	lost       chan struct{} // capacity 1: etcd does not know the lease
	stopped    chan struct{} // closed when the writer stops
}

type entry struct {
	session   roster.Session
	renewed   time.Time
	version   int            // counts changes, so that a write knows whether it wrote the newest
	claim     bool           // the node called here: take its session from another replica
	enrol     *roster.Node   // the record to write with the session
	ending    bool           // the session is to be deleted
	leaving   bool           // its node left
	committed bool           // the session was written once
	waiting   []chan settled // get the next outcome
}

// settled is the outcome of an enrolment or a leave.
type settled struct {
	node *roster.Node // the written record, or nil
	err  error
}

type ended struct {
	report roster.Report
	at     time.Time
	after  int64 // a newer record has the report already
}

// New returns an empty set of sessions; Run maintains it. guess returns what the replica's view has of a node.
func New(c Config, ledger Ledger, leases clientv3.Lease, guess func(roster.Key) store.Current) *Sessions {
	return &Sessions{
		Config: c, ledger: ledger, leases: leases, guess: guess,
		entries: map[roster.Key]*entry{}, queued: map[roster.Key]bool{}, ended: map[roster.Key]ended{}, duplicates: map[roster.Key]*duplicate{},
		bell: make(chan struct{}, 1), granted: make(chan struct{}), lost: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
}

// Count returns how many sessions this replica holds.
func (s *Sessions) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// Enrol opens a session and returns the record once both are committed.
func (s *Sessions) Enrol(ctx context.Context, key roster.Key, node roster.Node, report roster.Report) (*roster.Node, error) {
	s.mu.Lock()
	e := s.entries[key]
	if e != nil && roster.Taken(e.session, node) && !e.ending {
		s.mu.Unlock()
		_, _, err := roster.Enrol(time.Now(), key, nil, &e.session, node, roster.Session{})
		return nil, err
	}
	if e == nil || e.session.BootID != node.BootID {
		e = &entry{session: roster.Session{BootID: node.BootID, Replica: s.Replica}}
		s.entries[key] = e
	}
	if !report.Empty() {
		e.session.Report = report
	}
	e.renewed, e.claim, e.enrol, e.ending, e.leaving = time.Now(), true, &node, false, false
	done := s.wait(e)
	s.enqueue(key, e)
	s.mu.Unlock()
	return s.await(ctx, done)
}

// Renew keeps a session, or takes it over from another replica. It returns whether the next renewal should carry a status. report is
// empty when nothing changed.
func (s *Sessions) Renew(ctx context.Context, key roster.Key, bootID string, report roster.Report) (wantStatus bool, err error) {
	s.Metrics.renewals.Inc()
	if err := s.recorded(ctx, key, bootID); err != nil {
		return false, err
	}
	if want, known, err := s.renewHere(key, bootID, report); known {
		return want, err
	}
	current, err := s.enrolled(ctx, key, bootID)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[key] != nil {
		return report.Empty(), nil // a concurrent renewal was faster
	}
	e := &entry{session: roster.Session{BootID: bootID, Replica: s.Replica, Report: report}, renewed: time.Now(), claim: true}
	if report.Empty() && current.Session != nil {
		e.session.Report = current.Session.Report
	}
	s.entries[key] = e
	s.enqueue(key, e)
	return report.Empty(), nil
}

// recorded checks that a node with a session here still has its record. If an operator deleted the record, the agent must enrol again. A
// missing record is confirmed by etcd.
func (s *Sessions) recorded(ctx context.Context, key roster.Key, bootID string) error {
	if s.guess(key).Node != nil {
		return nil
	}
	s.mu.Lock()
	e := s.entries[key]
	written := e != nil && e.committed && e.enrol == nil && e.session.BootID == bootID
	s.mu.Unlock()
	if !written {
		return nil
	}
	current, err := s.ledger.Current(ctx, key)
	if err != nil {
		return unwritten(err)
	}
	if current.Node != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[key] == e {
		delete(s.entries, key)
	}
	s.Log.Warn("record of a node is gone; its agent enrols again", "group", key.Group, "node", key.Node)
	return roster.NotEnrolled(key)
}

func (s *Sessions) renewHere(key roster.Key, bootID string, report roster.Report) (want, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	switch {
	case e == nil || e.ending && e.leaving:
		return false, false, nil
	case e.session.BootID != bootID:
		return false, true, roster.NotEnrolled(key)
	}
	e.renewed = time.Now()
	if e.ending {
		e.ending, e.claim = false, true
		s.enqueue(key, e)
	}
	if !report.Empty() && !report.Same(e.session.Report) {
		e.session.Report = report
		s.enqueue(key, e)
	}
	return e.session.Report.Empty(), true, nil
}

// Leave ends the session of a node that leaves, and returns when that is committed.
func (s *Sessions) Leave(ctx context.Context, key roster.Key, bootID string, report roster.Report) error {
	if _, err := s.enrolled(ctx, key, bootID); err != nil {
		return err
	}
	s.mu.Lock()
	e := s.entries[key]
	if e == nil || e.session.BootID != bootID {
		e = &entry{session: roster.Session{BootID: bootID, Replica: s.Replica}}
		s.entries[key] = e
	}
	if !report.Empty() {
		e.session.Report = report
	}
	e.claim, e.ending, e.leaving, e.enrol = true, true, true, nil
	done := s.wait(e)
	s.enqueue(key, e)
	s.mu.Unlock()
	_, err := s.await(ctx, done)
	return err
}

// enrolled checks that the agent of a boot is enrolled. A refusal is confirmed by etcd.
func (s *Sessions) enrolled(ctx context.Context, key roster.Key, bootID string) (store.Current, error) {
	current := s.guess(key)
	if roster.MayRenew(current.Node, current.Session, bootID) {
		return current, nil
	}
	current, err := s.ledger.Current(ctx, key)
	if err != nil {
		return store.Current{}, unwritten(err)
	}
	if !roster.MayRenew(current.Node, current.Session, bootID) {
		return store.Current{}, roster.NotEnrolled(key)
	}
	return current, nil
}

// SessionChanged takes a change of the ledger. The session of another replica wins, a vanished session of this replica is written again,
// and an unknown one of this replica gets a TTL.
func (s *Sessions) SessionChanged(key roster.Key, before, after *roster.Session, revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	switch {
	case after != nil && after.Replica == s.Replica && e == nil:
		s.entries[key] = &entry{session: *after, renewed: time.Now(), committed: true}
	case after != nil && after.Replica != s.Replica && e != nil && e.committed && !s.queued[key]:
		s.enqueue(key, e) // the commit drops a session that moved
	case after == nil && e != nil && e.committed && !e.ending:
		e.committed = false
		s.enqueue(key, e)
	case after == nil && e == nil && before != nil:
		s.ended[key] = ended{report: before.Report, at: time.Now(), after: revision}
		s.push(key)
	}
}

func (s *Sessions) wait(e *entry) chan settled {
	done := make(chan settled, 1)
	e.waiting = append(e.waiting, done)
	return done
}

func (s *Sessions) enqueue(key roster.Key, e *entry) {
	e.version++
	s.push(key)
}

func (s *Sessions) push(key roster.Key) {
	if !s.queued[key] {
		s.queued[key] = true
		s.queue = append(s.queue, key)
	}
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// await returns the outcome of an enrolment or a leave. If the replica stops first, the change may be written all the same; a retry is
// safe.
func (s *Sessions) await(ctx context.Context, done chan settled) (*roster.Node, error) {
	select {
	case r := <-done:
		return r.node, r.err
	case <-s.stopped:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case r := <-done: // settled just before
		return r.node, r.err
	default:
		return nil, fault.New(fault.Down, "STOPPING", "this replica is stopping")
	}
}
