package session

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

const (
	gather        = 50 * time.Millisecond // how long the writer collects changes for one batch
	commitTimeout = 5 * time.Second
)

// retry is for requests that etcd did not answer or refused.
var retry = backoff.Policy{Base: 200 * time.Millisecond, Cap: time.Second, Jitter: 0.5}

// job is the change of one node, as it was when the writer took it.
type job struct {
	key       roster.Key
	entry     *entry
	version   int
	ended     *ended
	duplicate *duplicate
}

// write commits what is queued, in batches, until ctx ends.
func (s *Sessions) write(ctx context.Context) error {
	pause := backoff.Backoff{Policy: retry}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.bell:
		}
		if err := backoff.Sleep(ctx, gather); err != nil {
			return err
		}
		for {
			lease, err := s.leased(ctx)
			if err != nil {
				return err
			}
			jobs, changes := s.take()
			if len(jobs) == 0 {
				break
			}
			commitCtx, cancel := context.WithTimeout(ctx, commitTimeout)
			results, err := s.ledger.Commit(commitCtx, lease, changes)
			cancel()
			if err != nil {
				s.putBack(jobs, err)
				if errors.Is(err, rpctypes.ErrLeaseNotFound) {
					s.reportLost(lease)
				}
				if err := pause.Wait(ctx); err != nil {
					return err
				}
				continue
			}
			pause.Reset()
			s.settle(jobs, results)
			s.Metrics.batches.Inc()
		}
	}
}

func (s *Sessions) take() (jobs []job, changes []store.Change) {
	now := time.Now()
	s.mu.Lock()
	n := min(len(s.queue), store.MaxBatch)
	for _, key := range s.queue[:n] {
		delete(s.queued, key)
		j, decision := job{key: key}, unchanged
		if e := s.entries[key]; e != nil {
			j.entry, j.version, decision = e, e.version, decide(now, key, *e)
		} else if end, ok := s.ended[key]; ok {
			j.ended, decision = &end, remember(end)
		}
		if w := s.duplicates[key]; w != nil && w.queued {
			w.queued, j.duplicate, decision = false, w, withDuplicate(w.last, decision)
		}
		if j.entry != nil || j.ended != nil || j.duplicate != nil {
			jobs = append(jobs, j)
			changes = append(changes, store.Change{Key: key, Decide: decision})
		}
	}
	s.queue = s.queue[n:]
	s.mu.Unlock()
	// The view calls s under its own lock, so it is never called under s.mu.
	for i := range changes {
		changes[i].Guess = s.guess(changes[i].Key)
	}
	return jobs, changes
}

// settle applies the results of jobs.
func (s *Sessions) settle(jobs []job, results []store.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, j := range jobs {
		result := results[i]
		if result.Revision > 0 {
			s.Metrics.writes.Inc()
		}
		if j.ended != nil {
			delete(s.ended, j.key)
			continue
		}
		if j.entry == nil {
			if result.Err != nil {
				s.Log.Warn("refused agent not recorded", "group", j.key.Group, "node", j.key.Node, "error", result.Err)
			}
			continue
		}
		e, newest := j.entry, j.entry.version == j.version
		if !newest && result.Err == nil {
			if result.Write.Session != nil {
				e.committed = true
			}
			continue // a later job answers the waiting calls
		}
		for _, done := range e.waiting {
			done <- settled{node: result.Write.Node, err: result.Err}
		}
		e.waiting = nil
		switch {
		case result.Err != nil && fault.KindOf(result.Err) == fault.Internal:
			s.Log.Error("session not written", "group", j.key.Group, "node", j.key.Node, "error", result.Err)
			s.drop(j)
		case result.Err != nil, e.ending:
			s.drop(j)
		default:
			e.committed, e.claim, e.enrol = true, false, nil
		}
	}
}

func (s *Sessions) drop(j job) {
	if s.entries[j.key] == j.entry {
		delete(s.entries, j.key)
	}
}

// putBack queues jobs again after etcd did not answer. Waiting calls get an error; their agents try again.
func (s *Sessions) putBack(jobs []job, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Log.Warn("sessions not written yet", "sessions", len(jobs), "error", cause)
	for _, j := range jobs {
		if j.entry != nil && !errors.Is(cause, rpctypes.ErrLeaseNotFound) {
			for _, done := range j.entry.waiting {
				done <- settled{err: unwritten(cause)}
			}
			j.entry.waiting = nil
		}
		if j.duplicate != nil {
			j.duplicate.queued = true
		}
		s.push(j.key)
	}
}

// unwritten is the fault of a session that etcd did not write.
func unwritten(cause error) error {
	if refused := etcdkv.Fault(cause); fault.KindOf(refused) != fault.Internal {
		return refused
	}
	return fault.NoLedger(cause)
}

// decide returns the decision about a session of this replica, on the present records.
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

// end ends a session, unless it moved to another replica or belongs to another boot.
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

// remember stores the last report of a node whose replica died. The first replica to write it wins.
func remember(e ended) func(store.Current) (store.Write, error) {
	return func(cur store.Current) (store.Write, error) {
		if cur.Node == nil || cur.Session != nil || cur.NodeRev >= e.after {
			return store.Write{}, nil
		}
		node := roster.End(e.at, *cur.Node, e.report, false)
		return store.Write{Node: &node}, nil
	}
}
