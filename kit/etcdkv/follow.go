package etcdkv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A KV is a key as it is now.
type KV struct {
	Key            string
	Value          []byte
	CreateRevision int64
	ModRevision    int64
	Lease          int64
}

// A Handler takes what a Follow sees, one call at a time. Revision is the etcd revision up to which the batch is complete.
type Handler interface {
	// Listed gives everything there is. It is called first, and again when etcd no longer has the history
	// since the last call: what is not in the list then no longer exists.
	Listed(all []KV, revision int64)
	// Changed gives changes in their order. A deleted key has only its name and the revision of the deletion.
	Changed(put []KV, deleted []KV, revision int64)
}

const (
	listPage     = 1000
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// Follow keeps a handler up to date with all keys under a prefix until ctx ends, and returns its cause. No change is skipped: it
// lists, watches from that revision on, resumes after errors where it was, and on compaction lists again. An error is never taken
// for a deletion.
func Follow(ctx context.Context, client *clientv3.Client, prefix string, h Handler) error {
	return FollowFrom(ctx, client, prefix, 0, h)
}

// FollowFrom is Follow for a handler that already knows everything up to a revision; 0 is nothing.
func FollowFrom(ctx context.Context, client *clientv3.Client, prefix string, revision int64, h Handler) error {
	backoff := firstBackoff
	for {
		next, err := followOnce(ctx, client, prefix, revision, h)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if next > revision {
			backoff = firstBackoff
		}
		revision = next
		if errors.Is(err, rpctypes.ErrCompacted) {
			revision = 0
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff/2 + rand.N(backoff)):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// followOnce lists when it has no revision, then watches until an error. It returns how far it came.
func followOnce(ctx context.Context, client *clientv3.Client, prefix string, revision int64, h Handler) (int64, error) {
	if revision == 0 {
		all, at, err := List(ctx, client, prefix)
		if err != nil {
			return 0, err
		}
		h.Listed(all, at)
		revision = at
	}
	// RequireLeader ends the watch of a member that lost its cluster, so that another is tried.
	watchCtx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	events := client.Watch(watchCtx, prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithProgressNotify())
	for answer := range events {
		if err := answer.Err(); err != nil {
			return revision, fmt.Errorf("watch %s: %w", Full(client, prefix), err)
		}
		var put, deleted []KV
		for _, e := range answer.Events {
			if e.Type == clientv3.EventTypeDelete {
				deleted = append(deleted, KV{Key: string(e.Kv.Key), ModRevision: e.Kv.ModRevision})
			} else {
				put = append(put, fromEtcd(e.Kv.Key, e.Kv.Value, e.Kv.CreateRevision, e.Kv.ModRevision, e.Kv.Lease))
			}
		}
		revision = max(revision, reached(answer))
		// Several events of one key in one answer would lose their order in two slices, so such answers are split.
		if len(put) > 0 && len(deleted) > 0 {
			inOrder(answer.Events, h)
			continue
		}
		h.Changed(put, deleted, revision)
	}
	return revision, nil
}

// reached is the revision up to which a watch is complete after an answer. The header has the store's revision, which a watch that catches
// up in several answers has not reached yet; only an answer without events promises it.
func reached(answer clientv3.WatchResponse) int64 {
	if n := len(answer.Events); n > 0 {
		return answer.Events[n-1].Kv.ModRevision
	}
	return answer.Header.Revision
}

// inOrder hands on events one by one. What a transaction did is complete with its last event only.
func inOrder(events []*clientv3.Event, h Handler) {
	for i, e := range events {
		complete := e.Kv.ModRevision
		if i+1 < len(events) && events[i+1].Kv.ModRevision == complete {
			complete--
		}
		if e.Type == clientv3.EventTypeDelete {
			h.Changed(nil, []KV{{Key: string(e.Kv.Key), ModRevision: e.Kv.ModRevision}}, complete)
		} else {
			h.Changed([]KV{fromEtcd(e.Kv.Key, e.Kv.Value, e.Kv.CreateRevision, e.Kv.ModRevision, e.Kv.Lease)}, nil, complete)
		}
	}
}

func fromEtcd(key, value []byte, created, modified, lease int64) KV {
	return KV{Key: string(key), Value: value, CreateRevision: created, ModRevision: modified, Lease: lease}
}

// List returns everything under a prefix, in the order of the keys, as it was at one revision. It asks in pages, since an
// answer of etcd is bounded.
func List(ctx context.Context, kv clientv3.KV, prefix string) ([]KV, int64, error) {
	var (
		all      []KV
		revision int64
		from     = prefix
		end      = clientv3.GetPrefixRangeEnd(prefix)
	)
	for {
		opts := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(listPage)}
		if revision > 0 {
			opts = append(opts, clientv3.WithRev(revision))
		}
		answer, err := kv.Get(ctx, from, opts...)
		if err != nil {
			return nil, 0, fmt.Errorf("list %s: %w", Full(kv, prefix), err)
		}
		if revision == 0 {
			revision = answer.Header.Revision
		}
		for _, item := range answer.Kvs {
			all = append(all, fromEtcd(item.Key, item.Value, item.CreateRevision, item.ModRevision, item.Lease))
		}
		if !answer.More {
			return all, revision, nil
		}
		from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
	}
}
