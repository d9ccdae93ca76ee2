package view

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

const (
	// catchUp is how long a watch that resumes waits for this replica to come as far as the one it left.
	catchUp = 3 * time.Second
	// quiet is the least time between two batches of one watcher; changes in between are merged.
	quiet = 50 * time.Millisecond
	// bookmark is the longest time without a Synced.
	bookmark = 10 * time.Second
)

// A Filter says which changes a watcher wants.
type Filter struct {
	Groups bool          // groups instead of nodes
	Group  fleet.GroupID // only nodes of this group; empty is all
}

func (f Filter) takes(key roster.Key) bool {
	if f.Groups {
		return key.Node == ""
	}
	return key.Node != "" && (f.Group == "" || f.Group == key.Group)
}

// A Batch is what changed for a watcher. A key without a group or member was deleted.
type Batch struct {
	Full    bool // everything is in it; what is not no longer exists
	Groups  []Group
	Members []Member
	Deleted []roster.Key
	Token   string // resumes after this batch
}

// A Watcher collects which keys changed; how they stand is read when it is ready to take them.
type Watcher struct {
	filter Filter
	mu     sync.Mutex
	dirty  map[roster.Key]struct{}
	bell   chan struct{} // capacity 1: something is waiting, however often it rings
}

func (w *Watcher) mark(key roster.Key) {
	if !w.filter.takes(key) {
		return
	}
	w.mu.Lock()
	w.dirty[key] = struct{}{}
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// Watch hands batches to send until ctx ends or send fails: first what a watch with this token has not seen, or everything,
// then changes. A send that takes long delays only its own watcher.
func (v *View) Watch(ctx context.Context, filter Filter, token string, send func(Batch) error) error {
	w := &Watcher{filter: filter, dirty: map[roster.Key]struct{}{}, bell: make(chan struct{}, 1)}
	from, resumable := parseToken(token)
	if resumable {
		waitCtx, cancel := context.WithTimeout(ctx, catchUp)
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
	mark := time.NewTicker(bookmark)
	defer mark.Stop()
	for {
		if err := send(batch); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(quiet):
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

// Watchers counts the watches that are open.
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
			if w.filter.takes(c.key) {
				w.dirty[c.key] = struct{}{}
			}
		}
		return v.collect(w)
	}
	batch := Batch{Full: true, Token: v.token()}
	if w.filter.Groups {
		for name := range v.groups {
			g, _ := v.group(name)
			batch.Groups = append(batch.Groups, g)
		}
		return batch
	}
	for key, m := range v.members {
		if m.Current.Node != nil && w.filter.takes(key) {
			batch.Members = append(batch.Members, m)
		}
	}
	return batch
}

func (v *View) take(w *Watcher) Batch {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.collect(w)
}

// collect reads how the dirty keys stand. v.mu is held, so that no change falls between them and the token.
func (v *View) collect(w *Watcher) Batch {
	w.mu.Lock()
	dirty := w.dirty
	w.dirty = map[roster.Key]struct{}{}
	w.mu.Unlock()
	batch := Batch{Token: v.token()}
	for key := range dirty {
		if key.Node == "" {
			if g, ok := v.group(key.Group); ok {
				batch.Groups = append(batch.Groups, g)
				continue
			}
		} else if m := v.members[key]; m.Current.Node != nil {
			batch.Members = append(batch.Members, m)
			continue
		}
		batch.Deleted = append(batch.Deleted, key)
	}
	return batch
}

func (v *View) token() string { return strconv.FormatInt(v.revision, 10) }

// parseToken returns false for no token, and for one that is not ours: such a watch starts over, which is always right.
func parseToken(token string) (int64, bool) {
	revision, err := strconv.ParseInt(token, 10, 64)
	return revision, err == nil && revision > 0
}
