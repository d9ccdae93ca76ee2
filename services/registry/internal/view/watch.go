package view

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

const (
	// catchUpTimeout is how long a resumed watch waits for this replica to reach the revision of its token.
	catchUpTimeout = 3 * time.Second
	// batchInterval is the least time between two batches of one watcher; changes in between are merged.
	batchInterval = 50 * time.Millisecond
	// bookmarkInterval is the longest time between two tokens.
	bookmarkInterval = 10 * time.Second
)

// A Filter says which changes a watcher wants.
type Filter struct {
	Groups      bool          // groups instead of nodes
	Revocations bool          // revocations instead of nodes
	Group       fleet.GroupID // only nodes of this group; empty is all
}

func (f Filter) takes(what item) bool {
	switch {
	case f.Groups:
		return what.kind == store.GroupKind
	case f.Revocations:
		return what.kind == store.RevocationKind
	}
	return what.kind == store.NodeKind && (f.Group == "" || f.Group == what.key.Group)
}

// A Batch is what changed for a watcher. A key without a group, member or revocation was deleted.
type Batch struct {
	Full        bool // it holds everything: anything else is deleted
	Groups      []Group
	Members     []Member
	Revocations []Revocation
	Deleted     []roster.Key
	Token       string // resumes after this batch
}

// A Watcher collects which keys changed. Their state is read when the watcher can take it.
type Watcher struct {
	filter Filter
	mu     sync.Mutex
	dirty  map[item]struct{}
	bell   chan struct{} // capacity 1: there are dirty items
}

func (w *Watcher) mark(what item) {
	if !w.filter.takes(what) {
		return
	}
	w.mu.Lock()
	w.dirty[what] = struct{}{}
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// Watch passes batches to send until ctx ends or send fails: first the changes since the token, or everything, then further changes. A slow
// send delays only its own watcher.
func (v *View) Watch(ctx context.Context, filter Filter, token string, send func(Batch) error) error {
	w := &Watcher{filter: filter, dirty: map[item]struct{}{}, bell: make(chan struct{}, 1)}
	from, resumable := parseToken(token)
	if resumable {
		waitCtx, cancel := context.WithTimeout(ctx, catchUpTimeout)
		resumable = v.Await(waitCtx, from)
		cancel()
	}
	v.mu.Lock()
	v.watchers[w] = struct{}{}
	batch := v.begin(w, from, resumable)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		delete(v.watchers, w)
		v.mu.Unlock()
	}()
	mark := time.NewTicker(bookmarkInterval)
	defer mark.Stop()
	for {
		if err := send(batch); err != nil {
			return err
		}
		if err := backoff.Sleep(ctx, batchInterval); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.bell:
		case <-mark.C:
		}
		batch = v.take(w)
	}
}

// Watchers returns the number of open watches.
func (v *View) Watchers() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.watchers)
}

func (v *View) begin(w *Watcher, from int64, resumable bool) Batch {
	if resumable && from >= v.base {
		for _, c := range slices.Backward(v.history) {
			if c.revision <= from {
				break
			}
			if w.filter.takes(c.item) {
				w.dirty[c.item] = struct{}{}
			}
		}
		return v.collect(w)
	}
	all := func(what item) {
		if w.filter.takes(what) {
			w.dirty[what] = struct{}{}
		}
	}
	for name := range v.groups {
		all(item{store.GroupKind, roster.Key{Group: name}})
	}
	for key := range v.revocations {
		all(item{store.RevocationKind, key})
	}
	for key := range v.members {
		all(item{store.NodeKind, key})
	}
	batch := v.collect(w)
	batch.Full, batch.Deleted = true, nil
	return batch
}

func (v *View) take(w *Watcher) Batch {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.collect(w)
}

// collect reads the state of the dirty keys. v.mu is held, so that it matches the token.
func (v *View) collect(w *Watcher) Batch {
	w.mu.Lock()
	dirty := w.dirty
	w.dirty = map[item]struct{}{}
	w.mu.Unlock()
	batch := Batch{Token: v.token()}
	for what := range dirty {
		key := what.key
		var there bool
		switch what.kind {
		case store.GroupKind:
			var g Group
			if g, there = v.group(key.Group); there {
				batch.Groups = append(batch.Groups, g)
			}
		case store.RevocationKind:
			var r Revocation
			if r, there = v.revocations[key]; there {
				batch.Revocations = append(batch.Revocations, r)
			}
		default:
			m := v.members[key]
			if there = m.Current.Node != nil; there {
				batch.Members = append(batch.Members, m)
			}
		}
		if !there {
			batch.Deleted = append(batch.Deleted, key)
		}
	}
	return batch
}

func (v *View) token() string { return strconv.FormatInt(v.revision, 10) }

// parseToken returns false for no token, and for a foreign one: such a watch starts over.
func parseToken(token string) (int64, bool) {
	revision, err := strconv.ParseInt(token, 10, 64)
	return revision, err == nil && revision > 0
}
