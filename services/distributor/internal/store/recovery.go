package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// A Recovery says how the present epoch of the ledger began. The zero Recovery is the first epoch.
type Recovery struct {
	Epoch     fleet.Epoch `json:"epoch"`
	Author    string      `json:"author"`
	Reason    string      `json:"reason"`
	Time      time.Time   `json:"time"`
	RequestID string      `json:"request_id,omitempty"`
	// Shift is how far the numbers of the ledger are ahead of etcd's revisions; a restore into another etcd sets it.
	Shift int64 `json:"shift,omitempty"`
	// Restored says what was restored, for people. It is the business of who restores.
	Restored json.RawMessage `json:"restored,omitempty"`

	modRevision int64
}

// number returns the number of what is written at an etcd revision.
func (r Recovery) number(modRevision int64) int64 {
	return etcdkv.Mark{Shift: r.Shift}.Number(modRevision)
}

// A Ledger is the epoch and the assignments in etcd at one moment.
type Ledger struct {
	Recovery    Recovery
	Assignments map[fleet.GroupID]rollout.Assignment

	at int64 // the etcd revision at which it was read; 0 for a view
}

// Lineage returns what the ledger knows of the decisions of a group.
func (l Ledger) Lineage(id fleet.GroupID) fleet.Lineage {
	if a, ok := l.Assignments[id]; ok {
		return rollout.Lineage(l.Recovery.Epoch, &a)
	}
	return rollout.Lineage(l.Recovery.Epoch, nil)
}

// ReadLedger reads from etcd: a view may lag behind the nodes.
func ReadLedger(ctx context.Context, kv clientv3.KV) (Ledger, error) {
	l := Ledger{Assignments: map[fleet.GroupID]rollout.Assignment{}}
	answer, err := kv.Txn(ctx).Then(clientv3.OpGet(epochKey), clientv3.OpGet(assignmentPrefix, clientv3.WithPrefix())).Commit()
	if err != nil {
		return l, fmt.Errorf("read the ledger: %w", err)
	}
	l.at = answer.Header.Revision
	for _, item := range answer.Responses[0].GetResponseRange().GetKvs() {
		if l.Recovery, err = decode[Recovery](item.Value); err != nil {
			return l, fault.New(fault.WrongState, "LEDGER_UNREADABLE", "the key %s holds no epoch that this version can read",
				etcdkv.Full(kv, epochKey)).Because(err)
		}
		l.Recovery.modRevision = item.ModRevision
	}
	for _, item := range answer.Responses[1].GetResponseRange().GetKvs() {
		names, ok := parts(string(item.Key), assignmentPrefix, 1)
		if !ok {
			continue
		}
		// As in views, a record that cannot be read is left out.
		if a, number, err := decodeNumbered[rollout.Assignment](item.Value, item.ModRevision); err == nil {
			a.Decision = fleet.Decision(number)
			l.Assignments[fleet.GroupID(names[0])] = a
		}
	}
	return l, nil
}

// Recover begins another epoch in one transaction. It fails with a fault of kind Conflict when the epoch has changed. It needs no leader:
// every decision compares the epoch that it was made in. The transaction tells it, in the new epoch. The numbers go on.
func Recover(ctx context.Context, kv clientv3.KV, was Ledger, next Recovery) error {
	next.Shift, next.Restored = was.Recovery.Shift, was.Recovery.Restored
	text, err := encode(next)
	if err != nil {
		return err
	}
	free, put, err := tell(next.number(was.at), next, []event.Event{event.Recovered(next.Time, next.Epoch, next.Author, next.Reason)})
	if err != nil {
		return err
	}
	answer, err := kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(epochKey), "=", was.Recovery.modRevision), free).Then(
		clientv3.OpPut(epochKey, text), put).Commit()
	if err != nil {
		return fmt.Errorf("write epoch %d: %w", next.Epoch, err)
	}
	if !answer.Succeeded {
		return fault.New(fault.Conflict, "EPOCH_CHANGED", "the ledger was recovered by another call meanwhile")
	}
	return nil
}
