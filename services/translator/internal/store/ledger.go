// Package store keeps the translator's ledger in etcd. It alone knows the keys under desired/.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// Ledger reads and commits the state of groups. It is safe for concurrent use, by several replicas at once.
type Ledger struct {
	kv       clientv3.KV
	requests *requestLease
	log      *slog.Logger
}

// NewLedger returns a ledger.
func NewLedger(client *clientv3.Client, log *slog.Logger) *Ledger {
	return &Ledger{kv: etcdkv.WithTimeouts(client), requests: &requestLease{client: client}, log: log}
}

// Read returns a group as it is at one etcd revision. A head or a source's record that somebody deleted by hand is written again first: the
// revisions name all that they held.
func (l *Ledger) Read(ctx context.Context, g fleet.GroupID) (desired.State, error) {
	for range maxMends {
		state, err := l.read(ctx, g)
		if err != nil {
			return desired.State{}, err
		}
		lost, err := l.lost(ctx, g, state)
		if err != nil || lost == nil {
			return state, err
		}
		if err := l.mend(ctx, *lost); err != nil {
			return desired.State{}, err
		}
	}
	return desired.State{}, fault.New(fault.Conflict, "LOST_RACE", "the records of group %q change while they are restored; try again", g)
}

func (l *Ledger) read(ctx context.Context, g fleet.GroupID) (desired.State, error) {
	answer, err := l.kv.Txn(ctx).Then(clientv3.OpGet(headKey(g)), clientv3.OpGet(groupSources(g), clientv3.WithPrefix()),
		clientv3.OpGet(collectedKey, clientv3.WithKeysOnly())).Commit()
	if err != nil {
		return desired.State{}, fmt.Errorf("read group %s: %w", g, err)
	}
	var state desired.State
	for _, kv := range answer.Responses[0].GetResponseRange().Kvs {
		state.HeadVersion = kv.ModRevision
		if state.Head, err = decodeHead(etcdkv.Full(l.kv, string(kv.Key)), kv.Value); err != nil {
			return desired.State{}, err
		}
	}
	for _, kv := range answer.Responses[1].GetResponseRange().Kvs {
		source, err := decodeSource(g, fleet.SourceID(strings.TrimPrefix(string(kv.Key), groupSources(g))), kv.Value)
		if err != nil {
			return desired.State{}, err
		}
		state.Sources = append(state.Sources, source)
	}
	for _, kv := range answer.Responses[2].GetResponseRange().Kvs {
		state.Collected = kv.ModRevision
	}
	return state, nil
}

// decodeHead reads a head. A group whose sources hold no entity yet has a head without a revision: null.
func decodeHead(key string, value []byte) (*desired.Revision, error) {
	if string(value) == "null" {
		return nil, nil
	}
	return decodeRevision(key, value)
}

// Commit makes one change in one transaction. Every commit that changes a source writes the head, so that a commit that rests on
// another view of the group's sources loses; so does one whose request was answered meanwhile, and one that looked for its content before
// some was collected.
func (l *Ledger) Commit(ctx context.Context, c desired.Commit) (bool, error) {
	head := []byte("null")
	var err error
	if c.Head != nil {
		if head, err = encodeRevision(c.Head); err != nil {
			return false, fmt.Errorf("encode revision: %w", err)
		}
	}
	conditions := []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(headKey(c.Group)), "=", c.HeadVersion),
		clientv3.Compare(clientv3.ModRevision(collectedKey), "=", c.Collected),
	}
	var ops []clientv3.Op
	if c.NewRevision || len(c.Put) > 0 || len(c.Delete) > 0 {
		ops = append(ops, clientv3.OpPut(headKey(c.Group), string(head)))
	}
	if c.NewRevision {
		ops = append(ops, clientv3.OpPut(revisionKey(c.Group, c.Head.Number), string(head)))
		// A revision is immutable, whatever became of the head.
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(revisionKey(c.Group, c.Head.Number)), "=", 0))
	}
	for i := range c.Put {
		source, err := encodeSource(&c.Put[i])
		if err != nil {
			return false, fmt.Errorf("encode source: %w", err)
		}
		ops = append(ops, clientv3.OpPut(sourceKey(c.Group, c.Put[i].Name), string(source)))
	}
	for _, name := range c.Delete {
		ops = append(ops, clientv3.OpDelete(sourceKey(c.Group, name)))
	}
	var lease clientv3.LeaseID
	if c.RequestID != "" {
		if lease, err = l.requests.get(ctx); err != nil {
			return false, err
		}
		op, err := requestOp(c, lease)
		if err != nil {
			return false, err
		}
		ops = append(ops, op)
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(requestKey(c.Group, c.RequestID)), "=", 0))
	}
	answer, err := l.kv.Txn(ctx).If(conditions...).Then(ops...).Else(clientv3.OpGet(headKey(c.Group), clientv3.WithKeysOnly())).Commit()
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		// Nothing was written. The caller tries again, as after a lost race, and gets a new lease.
		l.requests.forget(lease)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("commit to group %s: %w", c.Group, err)
	}
	if !answer.Succeeded && c.NewRevision {
		for _, kv := range answer.Responses[0].GetResponseRange().Kvs {
			if kv.ModRevision == c.HeadVersion {
				return false, l.catchUp(ctx, c.Group, c.HeadVersion, c.Head.Number)
			}
		}
	}
	return answer.Succeeded, nil
}

func requestOp(c desired.Commit, lease clientv3.LeaseID) (clientv3.Op, error) {
	value, err := json.Marshal(c.Request)
	if err != nil {
		return clientv3.Op{}, fmt.Errorf("encode request: %w", err)
	}
	return clientv3.OpPut(requestKey(c.Group, c.RequestID), string(value), clientv3.WithLease(lease)), nil
}

// Request returns what a request_id was answered with.
func (l *Ledger) Request(ctx context.Context, g fleet.GroupID, id string) (desired.Request, bool, error) {
	answer, err := l.kv.Get(ctx, requestKey(g, id))
	if err != nil {
		return desired.Request{}, false, fmt.Errorf("read request: %w", err)
	}
	if len(answer.Kvs) == 0 {
		return desired.Request{}, false, nil
	}
	var r desired.Request
	if err := json.Unmarshal(answer.Kvs[0].Value, &r); err != nil {
		return desired.Request{}, false, fmt.Errorf("read request: %w", err)
	}
	return r, true, nil
}

// Revision returns one revision, or nil.
func (l *Ledger) Revision(ctx context.Context, g fleet.GroupID, n fleet.Revision) (*desired.Revision, error) {
	answer, err := l.kv.Get(ctx, revisionKey(g, n))
	if err != nil {
		return nil, fmt.Errorf("read revision %d of group %s: %w", n, g, err)
	}
	if len(answer.Kvs) == 0 {
		return nil, nil
	}
	return decodeRevision(etcdkv.Full(l.kv, string(answer.Kvs[0].Key)), answer.Kvs[0].Value)
}

// Revisions returns revisions older than before, or from the newest when before is 0, the newest first.
func (l *Ledger) Revisions(ctx context.Context, g fleet.GroupID, before fleet.Revision, limit int) ([]*desired.Revision, error) {
	end := clientv3.GetPrefixRangeEnd(groupRevisions(g))
	if before > 0 {
		end = revisionKey(g, before)
	}
	answer, err := l.kv.Get(ctx, groupRevisions(g), clientv3.WithRange(end), clientv3.WithLimit(int64(limit)),
		clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
	if err != nil {
		return nil, fmt.Errorf("list revisions of group %s: %w", g, err)
	}
	var all []*desired.Revision
	for _, kv := range answer.Kvs {
		r, err := decodeRevision(etcdkv.Full(l.kv, string(kv.Key)), kv.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Sources returns the sources after a group and name, of one group or of all, in the order of their keys.
func (l *Ledger) Sources(ctx context.Context, only fleet.GroupID, after string, limit int) (sources []desired.Source, next string,
	err error) {
	prefix := sourcesPrefix
	if only != "" {
		prefix = groupSources(only)
	}
	from, to := sourcesAfter(prefix, after)
	answer, err := l.kv.Get(ctx, from, clientv3.WithRange(to), clientv3.WithLimit(int64(limit)))
	if err != nil {
		return nil, "", fmt.Errorf("list sources: %w", err)
	}
	for _, kv := range answer.Kvs {
		group, name, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), sourcesPrefix), "/")
		s, err := decodeSource(fleet.GroupID(group), fleet.SourceID(name), kv.Value)
		if err != nil {
			return nil, "", err
		}
		sources = append(sources, s)
	}
	if answer.More {
		last := sources[len(sources)-1]
		next = string(last.Group) + "/" + string(last.Name)
	}
	return sources, next, nil
}

// sourcesAfter is the range of keys that comes after a token. One of another group's list must not lead out of this one's.
func sourcesAfter(prefix, token string) (from, to string) {
	to = clientv3.GetPrefixRangeEnd(prefix)
	if token == "" {
		return prefix, to
	}
	return min(max(prefix, sourcesPrefix+token+"\x00"), to), to
}

// Heads is a warm copy of the newest revision of every group, by key.
type Heads = watchcache.Cache[string, Head]

// Head is the newest revision of a group and the etcd revision at which it became that.
type Head struct {
	Group    fleet.GroupID
	Revision *desired.Revision // nil while the group has none
	Written  int64
}

// NewHeads returns the cache of heads. onBad gets the key of a head that cannot be decoded, as etcd has it.
func NewHeads(client *clientv3.Client, onBad func(key string, err error)) *Heads {
	return watchcache.New(etcdkv.WatchDecoded(client, headsPrefix, func(kv etcdkv.KV) (Head, error) {
		r, err := decodeHead(etcdkv.Full(client, kv.Key), kv.Value)
		return Head{Group: groupOfHead(kv.Key), Revision: r, Written: kv.ModRevision}, err
	}, func(key string, err error) { onBad(etcdkv.Full(client, key), err) }), nil)
}

// NewHealthProbe returns what tells whether the ledger's etcd answers.
func NewHealthProbe(client *clientv3.Client, log *slog.Logger) *etcdkv.HealthProbe {
	return etcdkv.NewHealthProbe(client, headsPrefix, log)
}
