package content

import (
	"container/list"
	"sync"
)

// entryOverhead is about the memory of an entry besides its key and value, in bytes.
const entryOverhead = 200

// cache keeps the most recently used values, up to a number of bytes. It never copies: values are shared by all callers and never modified.
type cache struct {
	mu      sync.Mutex
	limit   int
	used    int
	recent  *list.List // of *entry, the newest first
	entries map[string]*list.Element
}

type entry struct {
	key   string
	value []byte
}

func (e *entry) cost() int { return len(e.key) + len(e.value) + entryOverhead }

func newCache(limit int) *cache {
	return &cache{limit: limit, recent: list.New(), entries: map[string]*list.Element{}}
}

func (c *cache) get(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.entries[key]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(at)
	return at.Value.(*entry).value, true
}

// put adds a value. An existing key has the same value: content is immutable.
func (c *cache) put(key string, value []byte) {
	e := &entry{key: key, value: value}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[key]; ok || e.cost() > c.limit {
		return
	}
	c.entries[key] = c.recent.PushFront(e)
	c.used += e.cost()
	for c.used > c.limit {
		c.remove(c.recent.Back())
	}
}

func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.entries[key]; ok {
		c.remove(at)
	}
}

func (c *cache) remove(at *list.Element) {
	e := c.recent.Remove(at).(*entry)
	delete(c.entries, e.key)
	c.used -= e.cost()
}
