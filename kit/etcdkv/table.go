package etcdkv

import (
	"context"
	"maps"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A Table is a warm copy of what is under a prefix, decoded. It is safe for concurrent use; what it returns is shared and must
// not be modified.
type Table[V any] struct {
	decode func(KV) (V, error)
	onBad  func(key string, err error)

	mu       sync.RWMutex
	items    map[string]V
	revision int64
	synced   chan struct{}
	bell     chan struct{}
}

// NewTable returns an empty table. A value that cannot be decoded is reported and left out; the others are not held up by it.
func NewTable[V any](decode func(KV) (V, error), onBad func(key string, err error)) *Table[V] {
	return &Table[V]{decode: decode, onBad: onBad, items: map[string]V{}, synced: make(chan struct{}), bell: make(chan struct{})}
}

// Run keeps the table up to date until ctx ends.
func (t *Table[V]) Run(ctx context.Context, client *clientv3.Client, prefix string) error {
	return Follow(ctx, client, prefix, t)
}

// Listed implements Handler.
func (t *Table[V]) Listed(all []KV, revision int64) {
	items := make(map[string]V, len(all))
	for _, kv := range all {
		t.decodeInto(items, kv)
	}
	t.mu.Lock()
	t.items, t.revision = items, revision
	t.mu.Unlock()
	select {
	case <-t.synced:
	default:
		close(t.synced)
	}
	t.ring()
}

// Changed implements Handler.
func (t *Table[V]) Changed(put, deleted []KV, revision int64) {
	t.mu.Lock()
	for _, kv := range put {
		t.decodeInto(t.items, kv)
	}
	for _, kv := range deleted {
		delete(t.items, kv.Key)
	}
	t.revision = max(t.revision, revision)
	t.mu.Unlock()
	if len(put)+len(deleted) > 0 {
		t.ring()
	}
}

func (t *Table[V]) decodeInto(items map[string]V, kv KV) {
	v, err := t.decode(kv)
	if err != nil {
		t.onBad(kv.Key, err)
		return
	}
	items[kv.Key] = v
}

func (t *Table[V]) ring() {
	t.mu.Lock()
	close(t.bell)
	t.bell = make(chan struct{})
	t.mu.Unlock()
}

// Synced is closed once the table holds everything there was at the start.
func (t *Table[V]) Synced() <-chan struct{} { return t.synced }

// Changes returns a channel that is closed at the next change. Take it before reading, or a change in between is missed.
func (t *Table[V]) Changes() <-chan struct{} {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bell
}

// Get returns the value of a key.
func (t *Table[V]) Get(key string) (V, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	v, ok := t.items[key]
	return v, ok
}

// All returns a copy of the table and the etcd revision up to which it is complete.
func (t *Table[V]) All() (map[string]V, int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.items), t.revision
}
