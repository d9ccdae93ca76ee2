package session

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

const (
	gather        = 50 * time.Millisecond // how long the writer waits for company
	commitTimeout = 5 * time.Second
	retryPause    = 200 * time.Millisecond
)

// job is what the writer does for one node, as things stood when it was taken.
type job struct {
	key     roster.Key
	entry   *entry
	version int
	ended   *ended
	twin    *twin
}

// write commits what is queued, in batches, until ctx ends.
func (b *Book) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-b.bell:
		}
		if err := pause(ctx, gather); err != nil {
			return err
		}
		for {
			lease, err := b.leased(ctx)
			if err != nil {
				return err
			}
			jobs, changes := b.take()
			if len(jobs) == 0 {
				break
			}
			commitCtx, cancel := context.WithTimeout(ctx, commitTimeout)
			results, err := b.ledger.Commit(commitCtx, lease, changes)
			cancel()
			if err != nil {
				b.putBack(jobs, err)
				if errors.Is(err, rpctypes.ErrLeaseNotFound) {
					b.reportLost(lease)
				}
				if err := pause(ctx, retryPause); err != nil {
					return err
				}
				continue
			}
			b.settle(jobs, results)
			b.Metrics.batches.Inc()
		}
	}
}

func (b *Book) take() (jobs []job, changes []store.Change) {
	now := time.Now()
	b.mu.Lock()
	n := min(len(b.queue), store.MaxBatch)
	for _, key := range b.queue[:n] {
		delete(b.queued, key)
		j, decision := job{key: key}, unchanged
		if e := b.entries[key]; e != nil {
			j.entry, j.version, decision = e, e.version, decide(now, key, *e)
		} else if end, ok := b.ended[key]; ok {
			j.ended, decision = &end, remember(end)
		}
		if w := b.twins[key]; w != nil && w.queued {
			w.queued, j.twin, decision = false, w, met(w.last, decision)
		}
		if j.entry != nil || j.ended != nil || j.twin != nil {
			jobs = append(jobs, j)
			changes = append(changes, store.Change{Key: key, Decide: decision})
		}
	}
	b.queue = b.queue[n:]
	b.mu.Unlock()
	// The view calls this book under its own lock, so it is never asked under the book's.
	for i := range changes {
		changes[i].Guess = b.guess(changes[i].Key)
	}
	return jobs, changes
}

// settle takes note of what became of jobs.
func (b *Book) settle(jobs []job, results []store.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, j := range jobs {
		result := results[i]
		if result.Revision > 0 {
			b.Metrics.writes.Inc()
		}
		if j.ended != nil {
			delete(b.ended, j.key)
			continue
		}
		if j.entry == nil {
			if result.Err != nil {
				b.Log.Warn("a refused agent is not written down", "group", j.key.Group, "node", j.key.Node, "error", result.Err)
			}
			continue
		}
		e, newest := j.entry, j.entry.version == j.version
		if !newest && result.Err == nil {
			if result.Write.Session != nil {
				e.committed = true
			}
			continue // a later job tells those who wait
		}
		for _, done := range e.waiting {
			done <- settled{node: result.Write.Node, err: result.Err}
		}
		e.waiting = nil
		switch {
		case result.Err != nil && fault.KindOf(result.Err) == fault.Internal:
			b.Log.Error("session not written", "group", j.key.Group, "node", j.key.Node, "error", result.Err)
			b.drop(j)
		case result.Err != nil, e.ending:
			b.drop(j)
		default:
			e.committed, e.claim, e.enrol = true, false, nil
		}
	}
}

func (b *Book) drop(j job) {
	if b.entries[j.key] == j.entry {
		delete(b.entries, j.key)
	}
}

// putBack queues jobs again after etcd did not answer. Agents that wait for an enrolment are told, and come again.
func (b *Book) putBack(jobs []job, cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Log.Warn("sessions not written yet", "sessions", len(jobs), "error", cause)
	for _, j := range jobs {
		if j.entry != nil && !errors.Is(cause, rpctypes.ErrLeaseNotFound) {
			for _, done := range j.entry.waiting {
				done <- settled{err: unwritten(cause)}
			}
			j.entry.waiting = nil
		}
		if j.twin != nil {
			j.twin.queued = true
		}
		b.push(j.key)
	}
}

// unwritten is the fault of a session that etcd did not take.
func unwritten(cause error) error {
	if refused := etcdkv.Fault(cause); fault.KindOf(refused) != fault.Internal {
		return refused
	}
	return fault.NoLedger(cause)
}

// decide is the decision about a session of this replica, on what stands in the ledger.
func decide(now time.Time, key roster.Key, e entry) func(store.Current) (store.Write, error) {
	return func(cur store.Current) (store.Write, error) {
		switch {
		case e.ending:
			return end(now, e, cur), nil
		case e.enrol != nil:
			if !cur.Group {
				return store.Write{}, roster.NoGroup(key)
			}
			node, session, err := roster.Enrol(now, key, cur.Node, cur.Session, *e.enrol, e.session)
			if err != nil {
				return store.Write{}, err
			}
			return store.Write{Node: &node, Session: &session}, nil
		}
		session, err := roster.Renew(now, key, cur.Node, cur.Session, e.session, e.claim)
		if err != nil {
			return store.Write{}, err
		}
		if cur.Session != nil && cur.Session.Replica == session.Replica && cur.Session.Report.Same(session.Report) && e.committed {
			return store.Write{}, nil
		}
		return store.Write{Session: &session}, nil
	}
}

// end ends a session. One that moved to another replica, or belongs to another boot, is left alone.
func end(now time.Time, e entry, cur store.Current) store.Write {
	if !roster.MayRenew(cur.Node, cur.Session, e.session.BootID) {
		return store.Write{}
	}
	if !e.leaving && (cur.Session == nil || cur.Session.Replica != e.session.Replica) {
		return store.Write{}
	}
	report := e.session.Report
	if report.Empty() && cur.Session != nil {
		report = cur.Session.Report
	}
	node := roster.End(now, *cur.Node, report, e.leaving)
	return store.Write{Node: &node, DeleteSession: cur.Session != nil}
}

// remember keeps what a node ran last, after its replica died with the session. Whichever replica is first does it.
func remember(e ended) func(store.Current) (store.Write, error) {
	return func(cur store.Current) (store.Write, error) {
		if cur.Node == nil || cur.Session != nil || cur.NodeRev >= e.after {
			return store.Write{}, nil
		}
		node := roster.End(e.at, *cur.Node, e.report, false)
		return store.Write{Node: &node}, nil
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
