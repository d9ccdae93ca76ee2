// Package session keeps the sessions of the nodes that renew at this replica, under one lease. Renewals that change nothing stay
// in memory; what changes is written in batches. A session belongs to the replica that its node spoke to last.
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

// Ledger is where sessions are written.
type Ledger interface {
	Commit(ctx context.Context, lease clientv3.LeaseID, changes []store.Change) ([]store.Result, error)
	Current(ctx context.Context, key roster.Key) (store.Current, error)
}

// Config says how long sessions last. All fields are required.
type Config struct {
	Replica string
	TTL     time.Duration
	Log     *slog.Logger
	Metrics *Metrics
}

// A Book holds the sessions. It is safe for concurrent use.
type Book struct {
	Config
	ledger Ledger
	leases clientv3.Lease
	guess  func(roster.Key) store.Current

	mu      sync.Mutex
	entries map[roster.Key]*entry
	queue   []roster.Key // what the writer has to do, oldest first
	queued  map[roster.Key]bool
	ended   map[roster.Key]ended // sessions of others that ended without a word
	twins   map[roster.Key]*twin // agents that were refused lately
	bell    chan struct{}        // capacity 1
	lease   clientv3.LeaseID
	granted chan struct{} // closed while there is a lease
	lost    chan struct{} // capacity 1: the writer found the lease gone
	stopped chan struct{} // closed when nobody writes any more
}

type entry struct {
	session   roster.Session
	renewed   time.Time
	version   int            // counts what changed, so that a write knows whether it wrote the newest
	claim     bool           // the node came here; its session is to be taken from another replica
	enrol     *roster.Node   // the record to write with the session
	ending    bool           // the session is to be deleted
	leaving   bool           // and its node said goodbye
	committed bool           // the session was written once
	waiting   []chan settled // told at the next outcome
}

// settled is what became of an enrolment or a goodbye.
type settled struct {
	node *roster.Node // the record as written; nil when none was
	err  error
}

type ended struct {
	report roster.Report
	at     time.Time
	after  int64 // a record newer than this already knows
}

// New returns an empty book; Run keeps it. guess is what a replica believes to stand for a node.
func New(c Config, ledger Ledger, leases clientv3.Lease, guess func(roster.Key) store.Current) *Book {
	return &Book{
		Config: c, ledger: ledger, leases: leases, guess: guess,
		entries: map[roster.Key]*entry{}, queued: map[roster.Key]bool{}, ended: map[roster.Key]ended{}, twins: map[roster.Key]*twin{},
		bell: make(chan struct{}, 1), granted: make(chan struct{}), lost: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
}

// Count is how many sessions this replica holds.
func (b *Book) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.entries)
}

// Enrol opens a session and returns the record once both are committed.
func (b *Book) Enrol(ctx context.Context, key roster.Key, node roster.Node, report roster.Report) (*roster.Node, error) {
	b.mu.Lock()
	e := b.entries[key]
	if e != nil && roster.Taken(e.session, node) && !e.ending {
		b.mu.Unlock()
		_, _, err := roster.Enrol(time.Now(), key, nil, &e.session, node, roster.Session{})
		return nil, err
	}
	if e == nil || e.session.BootID != node.BootID {
		e = &entry{session: roster.Session{BootID: node.BootID, Replica: b.Replica}}
		b.entries[key] = e
	}
	if !report.Empty() {
		e.session.Report = report
	}
	e.renewed, e.claim, e.enrol, e.ending, e.leaving = time.Now(), true, &node, false, false
	done := b.wait(e)
	b.enqueue(key, e)
	b.mu.Unlock()
	return b.await(ctx, done)
}

// Renew keeps a session, or takes it over from another replica. It returns whether the next renewal should carry a status. report is
// empty when nothing changed.
func (b *Book) Renew(ctx context.Context, key roster.Key, bootID string, report roster.Report) (wantStatus bool, err error) {
	b.Metrics.renewals.Inc()
	if err := b.recorded(ctx, key, bootID); err != nil {
		return false, err
	}
	if want, known, err := b.renewHere(key, bootID, report); known {
		return want, err
	}
	current, err := b.enrolled(ctx, key, bootID)
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries[key] != nil {
		return report.Empty(), nil // a twin of this call was faster
	}
	e := &entry{session: roster.Session{BootID: bootID, Replica: b.Replica, Report: report}, renewed: time.Now(), claim: true}
	if report.Empty() && current.Session != nil {
		e.session.Report = current.Session.Report
	}
	b.entries[key] = e
	b.enqueue(key, e)
	return report.Empty(), nil
}

// recorded makes sure that a node whose session is here has its record still: one that was deleted by hand is to be made again by an
// enrolment. What this replica believes is asked first, and etcd before a no.
func (b *Book) recorded(ctx context.Context, key roster.Key, bootID string) error {
	if b.guess(key).Node != nil {
		return nil
	}
	b.mu.Lock()
	e := b.entries[key]
	written := e != nil && e.committed && e.enrol == nil && e.session.BootID == bootID
	b.mu.Unlock()
	if !written {
		return nil
	}
	current, err := b.ledger.Current(ctx, key)
	if err != nil {
		return unwritten(err)
	}
	if current.Node != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries[key] == e {
		delete(b.entries, key)
	}
	b.Log.Warn("the record of a node is gone; its agent enrols again", "group", key.Group, "node", key.Node)
	return roster.NotEnrolled(key)
}

func (b *Book) renewHere(key roster.Key, bootID string, report roster.Report) (want, known bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	switch {
	case e == nil || e.ending && e.leaving:
		return false, false, nil
	case e.session.BootID != bootID:
		return false, true, roster.NotEnrolled(key)
	}
	e.renewed = time.Now()
	if e.ending {
		e.ending, e.claim = false, true
		b.enqueue(key, e)
	}
	if !report.Empty() && !report.Same(e.session.Report) {
		e.session.Report = report
		b.enqueue(key, e)
	}
	return e.session.Report.Empty(), true, nil
}

// Leave ends the session of a node that says goodbye, and returns once that is committed.
func (b *Book) Leave(ctx context.Context, key roster.Key, bootID string, report roster.Report) error {
	if _, err := b.enrolled(ctx, key, bootID); err != nil {
		return err
	}
	b.mu.Lock()
	e := b.entries[key]
	if e == nil || e.session.BootID != bootID {
		e = &entry{session: roster.Session{BootID: bootID, Replica: b.Replica}}
		b.entries[key] = e
	}
	if !report.Empty() {
		e.session.Report = report
	}
	e.claim, e.ending, e.leaving, e.enrol = true, true, true, nil
	done := b.wait(e)
	b.enqueue(key, e)
	b.mu.Unlock()
	_, err := b.await(ctx, done)
	return err
}

// enrolled makes sure that the agent of a boot is enrolled; a no is never given on what this replica merely believes.
func (b *Book) enrolled(ctx context.Context, key roster.Key, bootID string) (store.Current, error) {
	current := b.guess(key)
	if roster.MayRenew(current.Node, current.Session, bootID) {
		return current, nil
	}
	current, err := b.ledger.Current(ctx, key)
	if err != nil {
		return store.Current{}, unwritten(err)
	}
	if !roster.MayRenew(current.Node, current.Session, bootID) {
		return store.Current{}, roster.NotEnrolled(key)
	}
	return current, nil
}

// SessionChanged is told what the ledger says about sessions, and reconciles the book with it: another replica's session
// wins, a session of ours that vanished is written again, and one that nobody remembers here gets its time.
func (b *Book) SessionChanged(key roster.Key, before, after *roster.Session, revision int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	switch {
	case after != nil && after.Replica == b.Replica && e == nil:
		b.entries[key] = &entry{session: *after, renewed: time.Now(), committed: true}
	case after != nil && after.Replica != b.Replica && e != nil && e.committed && !b.queued[key]:
		b.enqueue(key, e) // decided on what stands; a session that moved is dropped then
	case after == nil && e != nil && e.committed && !e.ending:
		e.committed = false
		b.enqueue(key, e)
	case after == nil && e == nil && before != nil:
		b.ended[key] = ended{report: before.Report, at: time.Now(), after: revision}
		b.push(key)
	}
}

func (b *Book) wait(e *entry) chan settled {
	done := make(chan settled, 1)
	e.waiting = append(e.waiting, done)
	return done
}

func (b *Book) enqueue(key roster.Key, e *entry) {
	e.version++
	b.push(key)
}

func (b *Book) push(key roster.Key) {
	if !b.queued[key] {
		b.queued[key] = true
		b.queue = append(b.queue, key)
	}
	select {
	case b.bell <- struct{}{}:
	default:
	}
}

// await returns what became of an enrolment or a goodbye. One that the replica's end found unwritten may have been written all the same,
// and may be made again elsewhere.
func (b *Book) await(ctx context.Context, done chan settled) (*roster.Node, error) {
	select {
	case s := <-done:
		return s.node, s.err
	case <-b.stopped:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case s := <-done: // it was settled just before
		return s.node, s.err
	default:
		return nil, fault.New(fault.Down, "STOPPING", "this replica is stopping")
	}
}
