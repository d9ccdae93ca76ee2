package store

import (
	"context"
	"fmt"
	"math/rand/v2"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// News is what a transaction tells beside what it decides.
type News struct {
	Told   *event.Told   // what is told of the group from now on; nil leaves it as it is
	Events []event.Event // at most event.MaxBatch; of more, the first are left out
}

// IsZero reports whether there is nothing to tell.
func (n News) IsZero() bool { return n.Told == nil && len(n.Events) == 0 }

// batch is the record of the events of one transaction.
type batch struct {
	Epoch  fleet.Epoch   `json:"epoch,omitempty"`
	Events []event.Event `json:"events"`
}

// eventKey returns a key for a batch that is written after a number of the ledger. Keys sort as the batches were written, as far as that is
// known before; the number of a batch orders them exactly.
func eventKey(after int64) string {
	return fmt.Sprintf("%s%016x-%08x", eventsPrefix, after, rand.N(int64(1)<<32))
}

// tell returns the write of events after a number, and the condition that it replaces none.
func tell(after int64, r Recovery, events []event.Event) (clientv3.Cmp, clientv3.Op, error) {
	text, err := encodeShifted(batch{Epoch: r.Epoch, Events: events[max(0, len(events)-event.MaxBatch):]}, r.Shift)
	if err != nil {
		return clientv3.Cmp{}, clientv3.Op{}, err
	}
	key := eventKey(after)
	return clientv3.Compare(clientv3.CreateRevision(key), "=", 0), clientv3.OpPut(key, text), nil
}

// readBatch reads the record of a batch.
func readBatch(kv etcdkv.KV) (event.Batch, error) {
	record, number, err := decodeNumbered[batch](kv.Value, kv.ModRevision)
	if err != nil {
		return event.Batch{}, err
	}
	if len(record.Events) == 0 || len(record.Events) > event.MaxBatch {
		return event.Batch{}, fmt.Errorf("decode record: it has %d events", len(record.Events))
	}
	for i := range record.Events {
		record.Events[i].Sequence = event.SequenceAt(record.Epoch, number, i)
	}
	return event.Batch{Events: record.Events, Key: kv.Key, At: number}, nil
}

// KnownEvents returns the largest sequence that an event in etcd can have now. It asks etcd: a view may lag behind.
func KnownEvents(ctx context.Context, kv clientv3.KV) (event.Sequence, error) {
	answer, err := kv.Get(ctx, epochKey)
	if err != nil {
		return 0, fmt.Errorf("read the epoch: %w", err)
	}
	r := readEpoch(answer.Kvs)
	return event.LastUpTo(r.Epoch, r.number(answer.Header.Revision)), nil
}

// trimmed says up to where events were deleted.
type trimmed struct {
	Sequence event.Sequence `json:"sequence"`
}

// trimChunk is how many batches one transaction deletes; etcd allows 128 operations.
const trimChunk = 100

// Trim deletes the oldest batches, fenced by the leader's term, and keeps up to where it has. A reader that was not so far is told.
func Trim(ctx context.Context, kv clientv3.KV, fence etcdkv.Fence, oldest []event.Batch) error {
	for len(oldest) > 0 {
		chunk := oldest[:min(len(oldest), trimChunk)]
		oldest = oldest[len(chunk):]
		text, err := encode(trimmed{chunk[len(chunk)-1].Last()})
		if err != nil {
			return err
		}
		// This comes first: no reader sees the deletions before it.
		writes := []clientv3.Op{clientv3.OpPut(trimmedKey, text)}
		for _, b := range chunk {
			writes = append(writes, clientv3.OpDelete(b.Key))
		}
		if _, err := fence.Commit(ctx, kv, nil, writes...); err != nil {
			return fmt.Errorf("trim events: %w", err)
		}
	}
	return nil
}
