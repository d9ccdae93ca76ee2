package desired

import (
	"container/list"
	"sync"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
)

// cachedBytes bounds the cache by what fragments hold in memory: about two and a half times their stored size.
const cachedBytes = 64 << 20

// fragmentCache keeps the fragments used last, so that a submission need not read the group's other sources again.
type fragmentCache struct {
	mu    sync.Mutex
	order *list.List // of *cached, the last used first
	byKey map[fleet.Digest]*list.Element
	bytes int
}

type cached struct {
	digest   fleet.Digest
	fragment *compile.Fragment
	size     int
}

func newFragmentCache() *fragmentCache {
	return &fragmentCache{order: list.New(), byKey: map[fleet.Digest]*list.Element{}}
}

func (c *fragmentCache) get(digest fleet.Digest) (*compile.Fragment, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[digest]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).fragment, true
}

// put keeps a fragment, unless it is so large that it would push out most others.
func (c *fragmentCache) put(digest fleet.Digest, f *compile.Fragment) {
	size := f.Bytes()
	if size > cachedBytes/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[digest]; ok {
		c.order.MoveToFront(e)
		return
	}
	c.byKey[digest] = c.order.PushFront(&cached{digest: digest, fragment: f, size: size})
	c.bytes += size
	for c.bytes > cachedBytes {
		last := c.order.Back()
		old := c.order.Remove(last).(*cached)
		delete(c.byKey, old.digest)
		c.bytes -= old.size
	}
}
