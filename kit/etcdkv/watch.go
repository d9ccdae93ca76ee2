package etcdkv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/watchcache"
)

// A KV is a key with its present value.
type KV struct {
	Key            string
	Value          []byte
	CreateRevision int64
	ModRevision    int64
	Lease          int64
}

const listPage = 1000

type (
	item  = watchcache.Item[string, KV]
	event = watchcache.Event[string, KV]
)

// Watch is a source of all keys under a prefix, in the order of their revisions. Its tokens are etcd revisions, see Revision. No change is
// skipped: when etcd has compacted the history since a token, the source sends a full list and the watch continues from there.
func Watch(client *clientv3.Client, prefix string) watchcache.Source[string, KV] {
	return func(ctx context.Context, token string) (func() (event, error), error) {
		w := &watch{client: client, prefix: prefix, revision: Revision(token)}
		return func() (event, error) { return w.next(ctx) }, nil
	}
}

// WatchDecoded is Watch with decoded values. A value that cannot be decoded is reported to onBad, and the last good value of its key stays.
func WatchDecoded[V any](client *clientv3.Client, prefix string, decode func(KV) (V, error),
	onBad func(key string, err error)) watchcache.Source[string, V] {
	return func(ctx context.Context, token string) (func() (watchcache.Event[string, V], error), error) {
		recv, err := Watch(client, prefix)(ctx, token)
		if err != nil {
			return nil, err
		}
		return func() (watchcache.Event[string, V], error) {
			e, err := recv()
			out := watchcache.Event[string, V]{Listing: e.Listing, Synced: e.Synced, Token: e.Token}
			for _, i := range e.Put {
				v, err := decode(i.Value)
				if err != nil {
					onBad(i.Key, err)
				}
				out.Put = append(out.Put, watchcache.Item[string, V]{Key: i.Key, Value: v, Version: i.Version, Unreadable: err != nil})
			}
			for _, i := range e.Deleted {
				out.Deleted = append(out.Deleted, watchcache.Item[string, V]{Key: i.Key, Version: i.Version})
			}
			return out, err
		}, nil
	}
}

// Revision returns the etcd revision of a token of Watch; 0 for the empty token.
func Revision(token string) int64 {
	revision, err := strconv.ParseInt(token, 10, 64)
	if err != nil {
		return 0
	}
	return revision
}

func tokenOf(revision int64) string { return strconv.FormatInt(revision, 10) }

// watch is one open watch.
type watch struct {
	client   *clientv3.Client
	prefix   string
	revision int64 // complete up to here; 0: a list is needed
	answers  clientv3.WatchChan
	pending  []event
}

var errWatchClosed = errors.New("the watch was closed")

func (w *watch) next(ctx context.Context) (event, error) {
	for len(w.pending) == 0 {
		if w.revision == 0 {
			return w.list(ctx)
		}
		if w.answers == nil {
			// RequireLeader ends the watch of a member that lost its cluster, so that another member is tried.
			w.answers = w.client.Watch(clientv3.WithRequireLeader(ctx), w.prefix,
				clientv3.WithPrefix(), clientv3.WithRev(w.revision+1), clientv3.WithProgressNotify())
		}
		answer, open := <-w.answers
		switch err := answer.Err(); {
		case errors.Is(err, rpctypes.ErrCompacted):
			w.revision, w.answers = 0, nil
			continue
		case err != nil:
			return event{}, fmt.Errorf("watch %s: %w", Full(w.client, w.prefix), err)
		case !open:
			return event{}, fmt.Errorf("watch %s: %w", Full(w.client, w.prefix), errWatchClosed)
		}
		w.revision = max(w.revision, reached(answer))
		w.pending = eventsOf(answer.Events, w.revision)
	}
	e := w.pending[0]
	w.pending = w.pending[1:]
	return e, nil
}

// list orders keys by revision, so that changes come in the same order from a list and from a watch.
func (w *watch) list(ctx context.Context) (event, error) {
	all, at, err := List(ctx, w.client, w.prefix)
	if err != nil {
		return event{}, err
	}
	w.revision = at
	slices.SortStableFunc(all, func(a, b KV) int { return cmp.Compare(a.ModRevision, b.ModRevision) })
	e := event{Listing: true, Put: make([]item, 0, len(all)), Synced: true, Token: tokenOf(at)}
	for _, kv := range all {
		e.Put = append(e.Put, item{Key: kv.Key, Value: kv, Version: kv.ModRevision})
	}
	return e, nil
}

// reached returns the revision up to which a watch is complete after an answer. The header has the store's revision. A watch that catches
// up in several answers has not reached it yet; only an answer without events guarantees that.
func reached(answer clientv3.WatchResponse) int64 {
	if n := len(answer.Events); n > 0 {
		return answer.Events[n-1].Kv.ModRevision
	}
	return answer.Header.Revision
}

// eventsOf converts an answer that is complete up to a revision. One event cannot keep the order of puts and deletions of one key, so a
// mixed answer is split. A transaction is complete with its last event only.
func eventsOf(all []*clientv3.Event, complete int64) []event {
	whole := event{Synced: true, Token: tokenOf(complete)}
	var split []event
	for i, e := range all {
		kv := fromEtcd(e.Kv.Key, e.Kv.Value, e.Kv.CreateRevision, e.Kv.ModRevision, e.Kv.Lease)
		changed := []item{{Key: kv.Key, Value: kv, Version: kv.ModRevision}}
		at := kv.ModRevision
		if i+1 < len(all) && all[i+1].Kv.ModRevision == at {
			at--
		}
		if e.Type == clientv3.EventTypeDelete {
			whole.Deleted = append(whole.Deleted, changed...)
			split = append(split, event{Deleted: changed, Synced: true, Token: tokenOf(at)})
		} else {
			whole.Put = append(whole.Put, changed...)
			split = append(split, event{Put: changed, Synced: true, Token: tokenOf(at)})
		}
	}
	if len(whole.Put) > 0 && len(whole.Deleted) > 0 {
		return split
	}
	return []event{whole}
}

func fromEtcd(key, value []byte, created, modified, lease int64) KV {
	return KV{Key: string(key), Value: value, CreateRevision: created, ModRevision: modified, Lease: lease}
}

// List returns everything under a prefix, in the order of the keys, at one revision. It reads in pages, because etcd bounds the size of an
// answer.
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
