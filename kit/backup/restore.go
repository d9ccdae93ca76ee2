package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/presence"
)

const (
	// atOnce is how many keys a transaction writes; etcd takes 128. writtenBytes is how many bytes; it takes 1.5 MB.
	atOnce       = 100
	writtenBytes = 512 << 10
)

// errTakenOver means that another restore took the marker.
var errTakenOver = errors.New("another restore into this etcd has begun; this one has stopped")

// A Restored is a restore that has ended.
type Restored struct {
	Written, Same, Deleted int64 // keys
	Number                 int64 // at which the numbers of the ledger go on
}

// Restore carries a plan out. When it fails after its first write, services do not start on this etcd before a restore has ended: it may
// be called again with a new plan, from anywhere.
func (r Restoration) Restore(ctx context.Context, p Plan) (Restored, error) {
	if err := r.Refusal(p); err != nil {
		return Restored{}, err
	}
	s := &restoring{Restoration: r, plan: p, kv: etcdkv.WithTimeouts(r.KV), has: make(map[string]bool, len(p.There.keys))}
	if err := s.begin(ctx); err != nil {
		return Restored{}, err
	}
	if err := s.carry(ctx); err != nil {
		return s.done, fmt.Errorf("the restore is not complete, and services do not start on this etcd before it is: run it again: %w", err)
	}
	return s.done, nil
}

// restoring is a restore under way.
type restoring struct {
	Restoration
	plan  Plan
	kv    clientv3.KV
	mine  clientv3.Cmp    // the marker is as this restore wrote it
	has   map[string]bool // keys of the backup
	due   []clientv3.Op
	bytes int
	life  []byte // the record of the epoch in the backup
	done  Restored
}

// begin writes the marker, in a transaction that fails when the ledger was written to since the plan was made, or a replica is there.
func (s *restoring) begin(ctx context.Context) error {
	text, err := json.Marshal(presence.Mark{Backup: s.plan.Backup.ID.String(), File: filepath.Base(s.Archive.Path), Time: s.Now.UTC(),
		Run: rand.Text(), Replace: s.Replace})
	if err != nil {
		return err
	}
	// Not all keys are compared: etcd would read them all, with their values, at once.
	conditions := append(presence.Nobody(), clientv3.Compare(clientv3.ModRevision(presence.Registry.Marker()), "=", s.plan.There.markedAt))
	for _, prefix := range []string{groupsPrefix, headsPrefix, assignmentsPrefix} {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(prefix), "<", s.plan.There.Revision+1).WithPrefix())
	}
	var marks []clientv3.Op
	for _, part := range presence.Parts {
		marks = append(marks, clientv3.OpPut(part.Marker(), string(text)))
	}
	answer, err := s.kv.Txn(ctx).If(conditions...).Then(marks...).Commit()
	if err != nil {
		return fmt.Errorf("begin the restore: %w", err)
	}
	if !answer.Succeeded {
		return ErrChanged
	}
	s.mine = clientv3.Compare(clientv3.ModRevision(presence.Registry.Marker()), "=", answer.Header.Revision)
	return nil
}

// carry copies the backup, deletes what it lacks, and ends.
func (s *restoring) carry(ctx context.Context) error {
	walked, err := s.Archive.Walk(func(e Entry) error {
		if passes(e.Key) {
			return fmt.Errorf("%w: it holds the key %.100q, which no backup has", ErrDamaged, e.Key)
		}
		s.has[e.Key] = true
		if e.Key == epochKey {
			s.life = bytes.Clone(e.Value) // written at the end
			return nil
		}
		return s.put(ctx, e)
	})
	if err == nil && walked.ID != s.plan.Backup.ID {
		err = fmt.Errorf("%s is another backup (%s) than a moment before (%s)", s.Archive.Path, walked.ID.Short(), s.plan.Backup.ID.Short())
	}
	if err == nil {
		err = s.flush(ctx)
	}
	if err == nil {
		err = s.delete(ctx)
	}
	if err == nil {
		err = s.end(ctx)
	}
	return err
}

// put adds a key to the next transaction.
func (s *restoring) put(ctx context.Context, e Entry) error {
	value, err := carried(e)
	if err != nil {
		return err
	}
	s.due = append(s.due, clientv3.OpPut(e.Key, string(value)))
	if s.bytes += len(e.Key) + len(value); len(s.due) < atOnce && s.bytes < writtenBytes {
		return nil
	}
	return s.flush(ctx)
}

// flush writes what is due, but for what etcd has already.
func (s *restoring) flush(ctx context.Context) error {
	same, err := s.same(ctx)
	if err != nil {
		return err
	}
	var puts []clientv3.Op
	for _, op := range s.due {
		if !same[string(op.KeyBytes())] {
			puts = append(puts, op)
		}
	}
	s.done.Same += int64(len(same))
	s.done.Written += int64(len(puts))
	s.due, s.bytes = s.due[:0], 0
	return s.commit(ctx, puts)
}

// same returns the keys of what is due that etcd has with these values.
func (s *restoring) same(ctx context.Context) (map[string]bool, error) {
	var there []clientv3.Op
	for _, op := range s.due {
		if s.plan.There.keys[string(op.KeyBytes())] {
			there = append(there, op)
		}
	}
	same := map[string]bool{}
	for len(there) > 0 {
		some := there[:min(len(there), read)]
		there = there[len(some):]
		gets := make([]clientv3.Op, 0, len(some))
		for _, op := range some {
			gets = append(gets, clientv3.OpGet(string(op.KeyBytes())))
		}
		answer, err := s.kv.Txn(ctx).Then(gets...).Commit()
		if err != nil {
			return nil, fmt.Errorf("read etcd: %w", err)
		}
		for i, r := range answer.Responses {
			for _, kv := range r.GetResponseRange().GetKvs() {
				if kv.Lease == 0 && bytes.Equal(kv.Value, some[i].ValueBytes()) {
					same[string(kv.Key)] = true
				}
			}
		}
	}
	return same, nil
}

// commit writes in one transaction, as long as the marker is this restore's.
func (s *restoring) commit(ctx context.Context, ops []clientv3.Op) error {
	if len(ops) == 0 {
		return nil
	}
	answer, err := s.kv.Txn(ctx).If(s.mine).Then(ops...).Commit()
	if err != nil {
		return fmt.Errorf("write to etcd: %w", err)
	}
	if !answer.Succeeded {
		return errTakenOver
	}
	return nil
}

// delete deletes the keys that the backup lacks, also those of processes that are gone.
func (s *restoring) delete(ctx context.Context) error {
	var ops []clientv3.Op
	for key := range s.plan.There.keys {
		if s.has[key] || key == epochKey || isMarker(key) {
			continue
		}
		ops = append(ops, clientv3.OpDelete(key))
		s.done.Deleted++
		if len(ops) == atOnce {
			if err := s.commit(ctx, ops); err != nil {
				return err
			}
			ops = ops[:0]
		}
	}
	return s.commit(ctx, ops)
}

func isMarker(key string) bool {
	for _, p := range presence.Parts {
		if key == p.Marker() {
			return true
		}
	}
	return false
}

// end writes where numbers go on, with the epoch, and removes the marker, in one transaction.
func (s *restoring) end(ctx context.Context) error {
	l, _, _, err := lifeOf(s.life)
	if err != nil {
		return err
	}
	m := s.plan.Backup.Manifest
	if s.done.Number, err = began(s.plan.Backup.number(), s.plan.There.number()); err != nil {
		return err
	}
	now, err := s.kv.Get(ctx, epochKey)
	if err != nil {
		return fmt.Errorf("read etcd: %w", err)
	}
	shift := max(0, s.done.Number-now.Header.Revision)
	if l.Value["shift"], err = json.Marshal(shift); err != nil {
		return err
	}
	if l.Value["restored"], err = json.Marshal(Origin{Time: s.Now.UTC(), Backup: s.plan.Backup.ID, Made: m.Time, Revision: m.Revision,
		Silverback: s.Silverback}); err != nil {
		return err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	ops := []clientv3.Op{clientv3.OpPut(epochKey, string(text))}
	for _, part := range presence.Parts {
		ops = append(ops, clientv3.OpDelete(part.Marker()))
	}
	return s.commit(ctx, ops)
}
