package store

import (
	"context"
	"fmt"

	etcdserverpb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// A batch stays under etcd's 128 operations and 1 MiB.
const (
	MaxBatch      = 50 // nodes, each at most two writes
	maxBatchBytes = 512 << 10
	maxRounds     = 6
)

// A Store is the ledger. It is safe for concurrent use.
type Store struct{ kv clientv3.KV }

// New returns the store on a client, which the caller keeps. A request that etcd does not answer ends with fault.NoLedger.
func New(kv clientv3.KV) *Store { return &Store{kv: etcdkv.WithTimeouts(kv)} }

// Current is what etcd holds of one node. A revision of 0 means none.
type Current struct {
	Group      bool
	Node       *roster.Node
	NodeRev    int64
	Session    *roster.Session
	SessionRev int64
}

// A Write is what a change writes. The zero Write changes nothing.
type Write struct {
	Node          *roster.Node
	Session       *roster.Session // bound to the lease of the commit
	DeleteNode    bool
	DeleteSession bool
}

func (w Write) empty() bool { return w == Write{} }

// A Change is a decision about one node. Decide gets Guess first, and what etcd holds if the guess is wrong. It must be pure.
type Change struct {
	Key    roster.Key
	Guess  Current
	Decide func(Current) (Write, error)
}

// A Result is the outcome of a change.
type Result struct {
	Err      error // of Decide, on what etcd holds
	Revision int64 // of the write
	Before   Current
	Write    Write
}

// Commit makes the changes, each on its own: one that fails does not hold up another. A write happens only on exactly what Decide saw, and
// neither an error nor "nothing to do" counts before etcd was asked. The error of Commit means that etcd could not be asked: what happened
// is then unknown. Keys must differ.
func (s *Store) Commit(ctx context.Context, lease clientv3.LeaseID, changes []Change) ([]Result, error) {
	results := make([]Result, len(changes))
	open := make([]*pending, len(changes))
	for i, c := range changes {
		open[i] = &pending{Change: c, result: &results[i], current: c.Guess}
	}
	for round := 0; len(open) > 0; round++ {
		ops, sent, later := nextBatch(open, lease, round >= maxRounds+len(changes)/MaxBatch)
		open = later
		if len(ops) == 0 {
			continue
		}
		answer, err := s.kv.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return nil, fmt.Errorf("commit %d sessions: %w", len(ops), err)
		}
		for at, p := range sent {
			if again := p.answered(answer.Responses[at].GetResponseTxn(), answer.Header.Revision); again {
				open = append(open, p)
			}
		}
	}
	return results, nil
}

// pending is a change that is not made yet.
type pending struct {
	Change
	result  *Result
	current Current
	asked   bool // current is what etcd answered
}

// nextBatch decides the changes that fit into one transaction. It settles those that need none, and returns the rest as later.
func nextBatch(open []*pending, lease clientv3.LeaseID, last bool) (ops []clientv3.Op, sent, later []*pending) {
	size := 0
	for _, p := range open {
		if size > maxBatchBytes || len(sent) >= MaxBatch {
			later = append(later, p)
			continue
		}
		if op, bytes, send := p.decide(lease, last); send {
			ops, sent, size = append(ops, op), append(sent, p), size+bytes
		}
	}
	return ops, sent, later
}

// decide returns the operation of a change and its size, or false when its result is settled without one.
func (p *pending) decide(lease clientv3.LeaseID, last bool) (op clientv3.Op, size int, send bool) {
	write, err := p.Decide(p.current)
	onlyRead := err != nil || write.empty()
	switch {
	case p.asked && onlyRead:
		*p.result = Result{Err: err, Before: p.current}
		return op, 0, false
	case p.asked && last:
		*p.result = Result{Err: fault.New(fault.Conflict, "LOST_RACE", "node %q changes too fast", p.Key.Node)}
		return op, 0, false
	}
	op, size, err = nested(p.Key, lease, p.current, write, onlyRead)
	if err != nil {
		*p.result = Result{Err: err}
		return op, 0, false
	}
	*p.result = Result{Before: p.current, Write: write}
	return op, size, true
}

// answered takes etcd's answer, and returns whether the change has to be decided again.
func (p *pending) answered(answer *etcdserverpb.TxnResponse, revision int64) (again bool) {
	if answer.Succeeded {
		p.result.Revision = revision
		return false
	}
	var err error
	if p.current, err = read(answer.Responses); err != nil {
		*p.result = Result{Err: fmt.Errorf("read node %s: %w", p.Key.Node, err)}
		return false
	}
	p.asked = true
	return true
}

// nested returns a transaction within the batch: its conditions fail only itself. onlyRead makes them always fail.
func nested(key roster.Key, lease clientv3.LeaseID, cur Current, w Write, onlyRead bool) (clientv3.Op, int, error) {
	var (
		then []clientv3.Op
		size int
	)
	conditions := []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(nodeKey(key)), "=", cur.NodeRev),
		clientv3.Compare(clientv3.ModRevision(sessionKey(key)), "=", cur.SessionRev),
	}
	if cur.Group {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(groupKey(key.Group)), ">", 0))
	}
	if onlyRead {
		conditions = append(conditions, clientv3.Compare(clientv3.Version(Prefix), "=", -1))
		w = Write{}
	}
	if w.Node != nil {
		text, err := encode(*w.Node)
		if err != nil {
			return clientv3.Op{}, 0, err
		}
		size += len(text)
		then = append(then, clientv3.OpPut(nodeKey(key), text))
	}
	if w.Session != nil {
		text, err := encode(*w.Session)
		if err != nil {
			return clientv3.Op{}, 0, err
		}
		size += len(text)
		then = append(then, clientv3.OpPut(sessionKey(key), text, clientv3.WithLease(lease)))
	}
	if w.DeleteNode {
		then = append(then, clientv3.OpDelete(nodeKey(key)))
	}
	if w.DeleteSession {
		then = append(then, clientv3.OpDelete(sessionKey(key)))
	}
	otherwise := []clientv3.Op{clientv3.OpGet(groupKey(key.Group), clientv3.WithCountOnly()), clientv3.OpGet(nodeKey(key)),
		clientv3.OpGet(sessionKey(key))}
	return clientv3.OpTxn(conditions, then, otherwise), size, nil
}

// Current reads a node from etcd.
func (s *Store) Current(ctx context.Context, key roster.Key) (Current, error) {
	answer, err := s.kv.Txn(ctx).Then(clientv3.OpGet(groupKey(key.Group), clientv3.WithCountOnly()), clientv3.OpGet(nodeKey(key)),
		clientv3.OpGet(sessionKey(key))).Commit()
	if err != nil {
		return Current{}, fmt.Errorf("read node: %w", err)
	}
	return read(answer.Responses)
}

func read(answers []*etcdserverpb.ResponseOp) (cur Current, err error) {
	cur.Group = answers[0].GetResponseRange().Count > 0
	for _, kv := range answers[1].GetResponseRange().Kvs {
		if cur.Node, err = Decode[roster.Node](kv.Value); err != nil {
			return Current{}, err
		}
		cur.NodeRev = kv.ModRevision
	}
	for _, kv := range answers[2].GetResponseRange().Kvs {
		if cur.Session, err = Decode[roster.Session](kv.Value); err != nil {
			return Current{}, err
		}
		cur.SessionRev = kv.ModRevision
	}
	return cur, nil
}
