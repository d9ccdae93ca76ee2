// Package watchcache keeps a copy of another process's data up to date by a watch of etcd or of a service. A copy changes only by what its
// source sends. While the source is away the copy stays as it was. The watch resumes where it broke, so that no change is skipped. A source
// that no longer has the history sends a full list, which is compared with the copy: only there does absence mean deletion.
package watchcache

import (
	"context"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
)

// reopen is the pause before a broken watch is opened again.
var reopen = backoff.Policy{Base: 100 * time.Millisecond, Cap: 2 * time.Second, Jitter: 0.5}

// An Item is one key of a watch.
type Item[K comparable, V any] struct {
	Key   K
	Value V // zero for a deleted key
	// Version changes with the value; 0 when the source has no versions. An item with a known version is not passed on again.
	Version int64
	// Unreadable means that the key exists and its value cannot be decoded. The last good value of the key stays.
	Unreadable bool
}

// An Event is one step of a watch. Its parts take effect in the order of the fields.
type Event[K comparable, V any] struct {
	Listing bool         // a full list begins here and ends with the next Synced
	Put     []Item[K, V] // created or changed, in their order
	Deleted []Item[K, V]
	Synced  bool   // everything up to here was sent
	Token   string // with Synced: where a watch can resume
}

// A Source opens a watch that resumes from a token; empty is the beginning. recv returns the next event, or the error that ended the watch.
// The watch ends with ctx.
type Source[K comparable, V any] func(ctx context.Context, token string) (recv func() (Event[K, V], error), err error)

// Apply takes changes, one call at a time. The first event holds the whole first list, and Listing is never set: later lists are passed on
// as their difference. A key that is missing from a list is deleted with version 0.
type Apply[K comparable, V any] func(e Event[K, V])

// Run passes the changes of a source to apply until ctx ends, and returns its cause. onError, which may be nil, gets the error of every
// broken watch.
func Run[K comparable, V any](ctx context.Context, source Source[K, V], apply Apply[K, V], onError func(error)) error {
	w := watch[K, V]{apply: apply, known: map[K]int64{}}
	pause := backoff.Backoff{Policy: reopen}
	for {
		before := w.token
		err := w.follow(ctx, source)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if w.token != before {
			pause.Reset()
		}
		if onError != nil {
			onError(err)
		}
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

type watch[K comparable, V any] struct {
	apply Apply[K, V]
	known map[K]int64 // every key that exists, with its version
	token string      // complete up to here
}

// follow runs one watch until it ends. An incomplete list changes nothing.
func (w *watch[K, V]) follow(ctx context.Context, source Source[K, V]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	recv, err := source(ctx, w.token)
	if err != nil {
		return err
	}
	var list []Item[K, V]
	for listing := false; ; {
		e, err := recv()
		if err != nil {
			return err
		}
		if e.Listing {
			listing, list = true, nil
		}
		if !listing {
			w.take(e)
			continue
		}
		list = append(list, e.Put...)
		for _, gone := range e.Deleted {
			list = slices.DeleteFunc(list, func(i Item[K, V]) bool { return i.Key == gone.Key })
		}
		if e.Synced {
			w.take(Event[K, V]{Put: list, Deleted: w.absent(list), Synced: true, Token: e.Token})
			listing, list = false, nil
		}
	}
}

// absent returns the known keys that a full list lacks.
func (w *watch[K, V]) absent(list []Item[K, V]) (deleted []Item[K, V]) {
	listed := make(map[K]struct{}, len(list))
	for _, i := range list {
		listed[i.Key] = struct{}{}
	}
	for key := range w.known {
		if _, ok := listed[key]; !ok {
			deleted = append(deleted, Item[K, V]{Key: key})
		}
	}
	return deleted
}

// take passes on what is new. A watch that resumes may send again what came before the break.
func (w *watch[K, V]) take(e Event[K, V]) {
	e.Put = slices.DeleteFunc(e.Put, func(i Item[K, V]) bool {
		version, known := w.known[i.Key]
		w.known[i.Key] = i.Version
		return i.Unreadable || known && i.Version != 0 && version == i.Version
	})
	e.Deleted = slices.DeleteFunc(e.Deleted, func(i Item[K, V]) bool {
		_, known := w.known[i.Key]
		delete(w.known, i.Key)
		return !known
	})
	w.apply(e)
	if e.Synced {
		w.token = e.Token
	}
}
