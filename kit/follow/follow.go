// Package follow is the client's side of the watches that services serve: a warm copy of what another service knows, which
// resumes where it was, and which a dead service empties of nothing.
package follow

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 3 * time.Second
)

// An Event is one step of a watch, whatever message it came in. Exactly one of its fields is set.
type Event[K comparable, V any] struct {
	Listing bool // a full list follows
	Put     *Pair[K, V]
	Deleted *K
	Synced  *string // everything up to here was sent; resume with this token
}

// A Pair is an item and its key.
type Pair[K comparable, V any] struct {
	Key   K
	Value V
}

// Open opens a watch from a resume token, empty for the beginning, and returns how to receive its events.
type Open[K comparable, V any] func(ctx context.Context, resume string) (recv func() (Event[K, V], error), err error)

// A Table is a warm copy. It is safe for concurrent use; the values it returns are shared and must not be modified.
type Table[K comparable, V any] struct {
	open    Open[K, V]
	onError func(error)

	mu     sync.RWMutex
	items  map[K]V
	synced chan struct{}
	bell   chan struct{}
	loose  bool // the stream is broken: what the table holds may be old
}

// NewTable returns an empty table. onError, which may be nil, is told of every broken stream.
func NewTable[K comparable, V any](open Open[K, V], onError func(error)) *Table[K, V] {
	if onError == nil {
		onError = func(error) {}
	}
	return &Table[K, V]{open: open, onError: onError, items: map[K]V{}, synced: make(chan struct{}), bell: make(chan struct{}), loose: true}
}

// Run keeps the table up to date until ctx ends, and returns its cause. While the service is away the table stays as it was.
func (t *Table[K, V]) Run(ctx context.Context) error {
	backoff := firstBackoff
	for resume := ""; ; {
		next, err := t.once(ctx, resume)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if next != resume {
			backoff = firstBackoff
		}
		resume = next
		t.setLoose(true)
		if err != nil {
			t.onError(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff/2 + rand.N(backoff)):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// once follows one stream to its end and returns how far it came.
func (t *Table[K, V]) once(ctx context.Context, resume string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	recv, err := t.open(ctx, resume)
	if err != nil {
		return resume, err
	}
	var listed map[K]V // what a full list has named so far; nil outside of one
	for {
		e, err := recv()
		if err != nil {
			return resume, err
		}
		switch {
		case e.Listing:
			listed = map[K]V{}
		case e.Put != nil && listed != nil:
			listed[e.Put.Key] = e.Put.Value
		case e.Put != nil:
			t.change(func(items map[K]V) { items[e.Put.Key] = e.Put.Value })
		case e.Deleted != nil && listed != nil:
			delete(listed, *e.Deleted)
		case e.Deleted != nil:
			t.change(func(items map[K]V) { delete(items, *e.Deleted) })
		case e.Synced != nil:
			if listed != nil {
				t.replace(listed)
				listed = nil
			}
			resume = *e.Synced
			t.markSynced()
		}
	}
}

func (t *Table[K, V]) change(edit func(map[K]V)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	edit(t.items)
	t.ring()
}

func (t *Table[K, V]) replace(items map[K]V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.items = items
	t.ring()
}

// ring wakes who waits; the caller holds the lock.
func (t *Table[K, V]) ring() {
	close(t.bell)
	t.bell = make(chan struct{})
}

func (t *Table[K, V]) markSynced() {
	t.setLoose(false)
	select {
	case <-t.synced:
	default:
		close(t.synced)
	}
}

func (t *Table[K, V]) setLoose(loose bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loose = loose
}

// Synced is closed once the table holds everything there was at the start; it stays closed.
func (t *Table[K, V]) Synced() <-chan struct{} { return t.synced }

// Current reports whether the stream stands, so that the table is as new as the service.
func (t *Table[K, V]) Current() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return !t.loose
}

// Changes returns a channel that is closed at the next change. Take it before reading, or a change in between is missed.
func (t *Table[K, V]) Changes() <-chan struct{} {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bell
}

// Get returns one item.
func (t *Table[K, V]) Get(key K) (V, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	v, ok := t.items[key]
	return v, ok
}

// All returns a copy of the table.
func (t *Table[K, V]) All() map[K]V {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.items)
}

// Each calls f with every item, in no order, without a copy. f must be quick and must not call the table.
func (t *Table[K, V]) Each(f func(K, V)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for k, v := range t.items {
		f(k, v)
	}
}
