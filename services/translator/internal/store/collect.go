package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

const (
	// maxRefreshes bounds how often one transaction of a sweep is tried while groups change.
	maxRefreshes = 10
	pageSize     = 500
)

// pages calls each for every key with a prefix, as of one etcd revision.
func (l *Ledger) pages(ctx context.Context, prefix string, at int64, each func(key string, value []byte, written int64) error,
	opts ...clientv3.OpOption) error {
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for {
		page := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(at)}
		answer, err := l.kv.Get(ctx, from, append(page, opts...)...)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, kv := range answer.Kvs {
			if err := each(string(kv.Key), kv.Value, kv.ModRevision); err != nil {
				return err
			}
		}
		if !answer.More {
			return nil
		}
		from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
	}
}

// History returns the revisions of a group, the newest first.
func (l *Ledger) History(ctx context.Context, g fleet.GroupID) (desired.History, error) {
	state, err := l.Read(ctx, g)
	if err != nil {
		return desired.History{}, err
	}
	now, err := l.kv.Get(ctx, headKey(g), clientv3.WithKeysOnly())
	if err != nil {
		return desired.History{}, fmt.Errorf("read group %s: %w", g, err)
	}
	h := desired.History{State: state, Read: now.Header.Revision}
	err = l.pages(ctx, groupRevisions(g), h.Read, func(key string, value []byte, written int64) error {
		r, err := decodeRevision(etcdkv.Full(l.kv, key), value)
		if err == nil {
			h.Revisions = append(h.Revisions, desired.Past{Number: r.Number, CreateTime: r.CreateTime, Written: written})
		}
		return err
	})
	slices.Reverse(h.Revisions)
	return h, err
}

// TakeTurn implements desired.Ledger.
func (l *Ledger) TakeTurn(ctx context.Context, before int64) (desired.Turn, error) {
	for range maxRefreshes {
		answer, err := l.kv.Get(ctx, turnKey)
		if err != nil {
			return 0, fmt.Errorf("read whose turn it is to collect: %w", err)
		}
		var was int64
		if len(answer.Kvs) > 0 {
			was = answer.Kvs[0].ModRevision
			// One from the future is of another etcd, and was refused.
			if last, err := strconv.ParseInt(string(answer.Kvs[0].Value), 10, 64); err == nil && last > before && last <= answer.Header.Revision {
				return 0, late(before)
			}
		}
		taken, err := l.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(turnKey), "=", was)).
			Then(clientv3.OpPut(turnKey, strconv.FormatInt(before, 10))).Commit()
		if err != nil {
			return 0, fmt.Errorf("take the turn to collect: %w", err)
		}
		if taken.Succeeded {
			return desired.Turn(taken.Header.Revision), nil
		}
	}
	return 0, late(before)
}

func late(before int64) error {
	return fault.New(fault.WrongState, "COLLECTION_REPLACED", "the list of revisions in use is of etcd revision %d, and a collection with a "+
		"later one has begun", before)
}

// delete makes deletions under a condition. It returns false when the condition does not hold, and an error when the turn is over.
func (l *Ledger) delete(ctx context.Context, turn desired.Turn, unchanged clientv3.Cmp, ops []clientv3.Op) (bool, error) {
	mine := clientv3.Compare(clientv3.ModRevision(turnKey), "=", int64(turn))
	answer, err := l.kv.Txn(ctx).If(mine, unchanged).Then(ops...).Else(clientv3.OpGet(turnKey)).Commit()
	if err != nil || answer.Succeeded {
		return err == nil, err
	}
	if kvs := answer.Responses[0].GetResponseRange().GetKvs(); len(kvs) == 0 || kvs[0].ModRevision != int64(turn) {
		return false, fault.New(fault.WrongState, "COLLECTION_REPLACED", "another collection has begun")
	}
	return false, nil
}

// DeleteRevisions deletes revisions of a group, unless the group changed since it was read. It leaves their content.
func (l *Ledger) DeleteRevisions(ctx context.Context, turn desired.Turn, g fleet.GroupID, headVersion int64, old []fleet.Revision) (
	deleted int, err error) {
	unchanged := clientv3.Compare(clientv3.ModRevision(headKey(g)), "=", headVersion)
	for batch := range slices.Chunk(old, opsAtOnce) {
		ops := make([]clientv3.Op, len(batch))
		for i, n := range batch {
			ops[i] = clientv3.OpDelete(revisionKey(g, n))
		}
		done, err := l.delete(ctx, turn, unchanged, ops)
		if err != nil {
			return deleted, fmt.Errorf("delete revisions of group %s: %w", g, err)
		}
		if !done {
			return deleted, nil
		}
		deleted += len(batch)
	}
	return deleted, nil
}

// Sweep deletes the fragments, manifests and chunks that nothing names: no revision, head, source or pin of any group, and no digest in
// use. Each deletion is one transaction that compares all heads with what was read, so that nothing can name the content since, and writes
// collectedKey, so that a submission that found the content before loses its commit.
func (l *Ledger) Sweep(ctx context.Context, turn desired.Turn, inUse []fleet.Digest) (swept desired.Swept, err error) {
	n, err := l.names(ctx, inUse)
	if err != nil {
		return swept, err
	}
	manifests, err := l.unnamed(ctx, n, content.ManifestPrefix)
	if err != nil {
		return swept, err
	}
	fragments, err := l.unnamed(ctx, n, fragmentsPrefix)
	if err != nil {
		return swept, err
	}
	chunks, err := l.unnamed(ctx, n, content.ChunkPrefix)
	if err != nil {
		return swept, err
	}
	if swept.Fragments, err = l.deleteUnnamed(ctx, turn, n, fragments); err != nil {
		return swept, err
	}
	// Manifests go before chunks: one that can be read has all its chunks.
	if swept.Manifests, err = l.deleteUnnamed(ctx, turn, n, manifests); err != nil {
		return swept, err
	}
	swept.Chunks, err = l.deleteUnnamed(ctx, turn, n, chunks)
	return swept, err
}

// names is which content is named, as of an etcd revision.
type names struct {
	at        int64
	fragments map[string]bool // by the hexadecimal digits of digest or sum, as in keys
	manifests map[string]bool
	chunks    map[string]bool
	// partial is true when a named manifest is missing or damaged. A revision that is read is then compiled again, and may rest on chunks that
	// no manifest names now.
	partial bool
}

// has reports whether the content in a key is named, or must be left alone.
func (n *names) has(key string) bool {
	if name, ok := strings.CutPrefix(key, content.ChunkPrefix); ok {
		return n.partial || n.chunks[name]
	}
	if name, ok := strings.CutPrefix(key, content.ManifestPrefix); ok {
		return n.manifests[name]
	}
	if name, ok := strings.CutPrefix(key, fragmentsPrefix); ok {
		digest, _, _ := strings.Cut(name, "/")
		return n.fragments[digest]
	}
	return true
}

func (n *names) revision(r *desired.Revision) {
	if r == nil {
		return
	}
	n.manifests[r.Digest.Hex()] = true
	for _, s := range r.Sources {
		n.fragments[s.Fragment.Hex()] = true
	}
	for i := range r.Pins {
		n.fragments[r.Pins[i].Fragment.Hex()] = true
		n.pin(&r.Pins[i].Pin)
	}
}

func (n *names) pin(p *desired.Pin) {
	if p != nil && p.RefusedFragment != "" {
		n.fragments[p.RefusedFragment.Hex()] = true
	}
}

// names reads what names content. A record that cannot be read ends the sweep: it may name anything.
func (l *Ledger) names(ctx context.Context, inUse []fleet.Digest) (*names, error) {
	n := &names{fragments: map[string]bool{}, manifests: map[string]bool{}, chunks: map[string]bool{}}
	for _, digest := range inUse {
		n.manifests[digest.Hex()] = true
	}
	now, err := l.kv.Get(ctx, collectedKey, clientv3.WithKeysOnly())
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	if err := l.readNames(ctx, n, now.Header.Revision); err != nil {
		return nil, err
	}
	for name := range n.manifests {
		if err := l.nameChunks(ctx, n, name); err != nil {
			return nil, err
		}
	}
	if n.partial {
		l.log.Warn("chunks are not collected: the manifest of a revision is missing or damaged")
	}
	return n, nil
}

// readNames adds what names content since n.at, up to another etcd revision. What is named once stays named.
func (l *Ledger) readNames(ctx context.Context, n *names, at int64) error {
	var since []clientv3.OpOption
	if n.at > 0 {
		since = append(since, clientv3.WithMinModRev(n.at+1))
	}
	err := l.pages(ctx, headsPrefix, at, func(key string, value []byte, _ int64) error {
		r, err := decodeHead(etcdkv.Full(l.kv, key), value)
		n.revision(r)
		return err
	}, since...)
	if err != nil {
		return err
	}
	err = l.pages(ctx, revisionsPrefix, at, func(key string, value []byte, _ int64) error {
		r, err := decodeRevision(etcdkv.Full(l.kv, key), value)
		n.revision(r)
		return err
	}, since...)
	if err != nil {
		return err
	}
	err = l.pages(ctx, sourcesPrefix, at, func(key string, value []byte, _ int64) error {
		group, name, _ := strings.Cut(strings.TrimPrefix(key, sourcesPrefix), "/")
		s, err := decodeSource(fleet.GroupID(group), fleet.SourceID(name), value)
		n.fragments[s.Fragment.Hex()] = true
		n.pin(s.Pin)
		return err
	}, since...)
	n.at = at
	return err
}

// nameChunks adds the chunks of a manifest that is named.
func (l *Ledger) nameChunks(ctx context.Context, n *names, name string) error {
	answer, err := l.kv.Get(ctx, content.ManifestPrefix+name)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	var m snapshot.Manifest
	if len(answer.Kvs) == 0 || m.UnmarshalBinary(answer.Kvs[0].Value) != nil {
		n.partial = true
	}
	for _, c := range m.Chunks {
		n.chunks[c.Sum.String()] = true
	}
	return nil
}

// refresh reads what groups named since.
func (l *Ledger) refresh(ctx context.Context, n *names) error {
	now, err := l.kv.Get(ctx, collectedKey, clientv3.WithKeysOnly())
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	before := maps.Clone(n.manifests)
	if err := l.readNames(ctx, n, now.Header.Revision); err != nil {
		return err
	}
	for name := range n.manifests {
		if !before[name] {
			if err := l.nameChunks(ctx, n, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// unnamed lists the keys of content that nothing names.
func (l *Ledger) unnamed(ctx context.Context, n *names, prefix string) (keys []string, err error) {
	err = l.pages(ctx, prefix, n.at, func(key string, _ []byte, _ int64) error {
		if !n.has(key) {
			keys = append(keys, key)
		}
		return nil
	}, clientv3.WithKeysOnly())
	return keys, err
}

// deleteUnnamed deletes keys of content that nothing names, and returns how many. When a group changed meanwhile, it reads what that named
// and goes on, a limited number of times; the next collection deletes the rest.
func (l *Ledger) deleteUnnamed(ctx context.Context, turn desired.Turn, n *names, keys []string) (deleted int, err error) {
	for batch := range slices.Chunk(keys, opsAtOnce) {
		for range maxRefreshes {
			batch = slices.DeleteFunc(batch, n.has)
			if len(batch) == 0 {
				break
			}
			done, err := l.deleteContent(ctx, turn, n.at, batch)
			if err != nil {
				return deleted, err
			}
			if done {
				deleted += len(batch)
				break
			}
			if err := l.refresh(ctx, n); err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

// deleteContent deletes keys in one transaction, unless a head changed since an etcd revision.
func (l *Ledger) deleteContent(ctx context.Context, turn desired.Turn, at int64, keys []string) (bool, error) {
	ops := []clientv3.Op{clientv3.OpPut(collectedKey, "")}
	for _, key := range keys {
		ops = append(ops, clientv3.OpDelete(key))
	}
	done, err := l.delete(ctx, turn, clientv3.Compare(clientv3.ModRevision(headsPrefix).WithPrefix(), "<", at+1), ops)
	if err != nil {
		return false, fmt.Errorf("delete content: %w", err)
	}
	return done, nil
}
