package watchcache

import (
	"context"
	"maps"
	"sync"
)

// A Cache is a copy of a source, by key. It is safe for concurrent use. The values it returns are shared and must not be modified.
type Cache[K comparable, V any] struct {
	source  Source[K, V]
	onError func(error)

	mu      sync.RWMutex
	items   map[K]V
	token   string    // complete up to here
	current bool      // the watch is open and was complete
	once    sync.Once // closes synced
	synced  chan struct{}
	changed chan struct{}
}

// New returns an empty cache, which Run fills. onError, which may be nil, gets the error of every broken watch.
func New[K comparable, V any](source Source[K, V], onError func(error)) *Cache[K, V] {
	return &Cache[K, V]{source: source, onError: onError, items: map[K]V{}, synced: make(chan struct{}), changed: make(chan struct{})}
}

// Run keeps the cache up to date until ctx ends, and returns its cause. While the source is away the cache stays as it was.
func (c *Cache[K, V]) Run(ctx context.Context) error {
	return Run(ctx, c.source, c.apply, func(err error) {
		c.mu.Lock()
		c.current = false
		c.mu.Unlock()
		if c.onError != nil {
			c.onError(err)
		}
	})
}

func (c *Cache[K, V]) apply(e Event[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range e.Put {
		c.items[i.Key] = i.Value
	}
	for _, i := range e.Deleted {
		delete(c.items, i.Key)
	}
	if e.Synced {
		c.token, c.current = e.Token, true
		c.once.Do(func() { close(c.synced) })
	}
	if len(e.Put)+len(e.Deleted) > 0 {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// Synced is closed once the cache holds everything that existed at the start. It stays closed.
func (c *Cache[K, V]) Synced() <-chan struct{} { return c.synced }

// Current reports whether the watch is open, so that the cache is as new as the source. It is false until the cache is synced.
func (c *Cache[K, V]) Current() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.current
}

// Changes returns a channel that is closed at the next change. Get it before reading, otherwise a change in between is missed.
func (c *Cache[K, V]) Changes() <-chan struct{} {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.changed
}

// Get returns the value of a key.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.items[key]
	return v, ok
}

// All returns a copy of the cache.
func (c *Cache[K, V]) All() map[K]V {
	all, _ := c.AllAt()
	return all
}

// AllAt returns a copy of the cache and the token up to which it is complete. The token is empty until the cache is synced.
func (c *Cache[K, V]) AllAt() (all map[K]V, token string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return maps.Clone(c.items), c.token
}

// Each calls f with every item, in no order, without a copy. f must be fast and must not call the cache.
func (c *Cache[K, V]) Each(f func(K, V)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for k, v := range c.items {
		f(k, v)
	}
}
