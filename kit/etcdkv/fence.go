// Package etcdkv is the services' access to etcd: watches without gaps, transactions that a deposed leader cannot make, and lists in pages.
// It knows no keys.
package etcdkv

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Fence guards writes of a leader. They succeed only while the leader's election key is the one that was created in this term. A paused
// leader cannot know that it was replaced, but etcd does.
type Fence struct {
	Key  string // the election key of the leader
	Term fleet.Term
	ID   fleet.TermID // of the term; it guards nothing
}

// Compare returns the condition that binds a transaction to the leadership.
func (f Fence) Compare() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(f.Key), "=", int64(f.Term))
}

// Commit writes under the fence and further conditions. It returns the etcd revision of the write, a fault of kind StaleTerm when the
// leadership is over, or one of kind Conflict when another condition failed.
func (f Fence) Commit(ctx context.Context, kv clientv3.KV, conditions []clientv3.Cmp, writes ...clientv3.Op) (int64, error) {
	cmps := append([]clientv3.Cmp{f.Compare()}, conditions...)
	answer, err := kv.Txn(ctx).If(cmps...).Then(writes...).Else(clientv3.OpGet(f.Key)).Commit()
	if err != nil {
		return 0, fmt.Errorf("commit in term %d: %w", f.Term, Fault(err))
	}
	if answer.Succeeded {
		return answer.Header.Revision, nil
	}
	for _, kv := range answer.Responses[0].GetResponseRange().Kvs {
		if kv.CreateRevision == int64(f.Term) {
			return 0, fault.New(fault.Conflict, "LOST_RACE", "the value changed in the meantime")
		}
	}
	return 0, fault.New(fault.StaleTerm, "STALE_TERM", "term %d is over", f.Term)
}
