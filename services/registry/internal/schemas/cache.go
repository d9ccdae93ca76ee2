// Package schemas stores the bundles of schemas that agents upload. It chooses the agent to upload one, checks uploads, and deletes unused
// bundles. Bundles never change, so any replica may store or delete any of them; a missing one is asked for again.
package schemas

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

const (
	// MaxBundles bounds the bundles: a fleet has one for each version of Kong with a different set of plugins. Beyond it only groups with less
	// than their share may store more.
	MaxBundles = 64
	// MaxOfNode bounds the bundles that one node uploaded. Those that no node reports any more make room for new ones.
	MaxOfNode = 4
	// uploadTimeout is how long an agent may take to upload, before another one is asked.
	uploadTimeout = 10 * time.Second
)

// Ledger stores bundles.
type Ledger interface {
	Current(ctx context.Context, key roster.Key) (store.Current, error)
	PutSchemas(ctx context.Context, digest string, zstd []byte, uploader roster.Key) (revision int64, err error)
	Schemas(ctx context.Context, digest string) (zstd []byte, revision int64, err error)
	TidySchemas(ctx context.Context, digest string, readAt int64, zstd []byte) (bool, error)
	DeleteSchemas(ctx context.Context, digest string, storedAt, readUpTo int64) (bool, error)
}

// View is what this replica knows of the ledger.
type View interface {
	Current(key roster.Key) store.Current
	Stored(digest string) bool
	Bundles() map[string]roster.Key
	Unnamed() (bundles map[string]int64, revision int64)
}

// Config configures a Cache. All fields are required.
type Config struct {
	Ledger  Ledger
	View    View
	Log     *slog.Logger
	Metrics *Metrics
	// ForgetAfter is how long a bundle is kept that no node reports.
	ForgetAfter time.Duration
}

// A Cache keeps the bundles. It is safe for concurrent use.
type Cache struct {
	Config
	verifying chan struct{} // capacity 1: verifying takes memory

	mu      sync.Mutex
	asked   map[string]time.Time // when this replica last asked an agent for a bundle
	unnamed map[string]time.Time // since when no node reports a bundle
	tidied  map[string]bool      // stored bundles known to hold no secrets
}

// New returns a cache.
func New(c Config) *Cache {
	return &Cache{Config: c, verifying: make(chan struct{}, 1), asked: map[string]time.Time{}, unnamed: map[string]time.Time{},
		tidied: map[string]bool{}}
}

// Want reports whether a node that calls now should upload its bundle. Only one node at a time is asked, since a whole fleet may report the
// same new bundle at once.
func (c *Cache) Want(digest string, now time.Time) bool {
	if digest == "" || c.View.Stored(digest) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.asked, func(_ string, at time.Time) bool { return now.Sub(at) >= uploadTimeout })
	if has(c.asked, digest) {
		return false
	}
	c.asked[digest] = now
	return true
}

// Upload stores a bundle from a node that reports it, and returns its revision. A fault of kind Invalid means that the bytes are not that
// bundle, of kind Busy that there are too many.
func (c *Cache) Upload(ctx context.Context, key roster.Key, digest string, zstd []byte) (int64, error) {
	if err := c.named(ctx, key, digest); err != nil {
		return 0, err
	}
	select {
	case c.verifying <- struct{}{}:
		defer func() { <-c.verifying }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	zstd, err := verify(digest, zstd)
	if err != nil {
		c.Metrics.upload("refused")
		return 0, err
	}
	if !c.View.Stored(digest) {
		if err := c.makeRoom(ctx, key); err != nil {
			c.Metrics.upload("refused")
			return 0, err
		}
	}
	revision, err := c.Ledger.PutSchemas(ctx, digest, zstd, key)
	if err == nil {
		c.Metrics.upload("stored")
	}
	return revision, err
}

// makeRoom deletes the unused bundles that a node uploaded. It returns a fault if the node still may not store another.
func (c *Cache) makeRoom(ctx context.Context, key roster.Key) error {
	stored := c.View.Bundles()
	unnamed, upTo := c.View.Unnamed()
	for digest, by := range stored {
		storedAt, idle := unnamed[digest]
		if by != key || !idle {
			continue
		}
		gone, err := c.Ledger.DeleteSchemas(ctx, digest, storedAt, upTo)
		if err != nil {
			return err
		}
		if gone {
			delete(stored, digest)
			c.Metrics.collected.Inc()
		}
	}
	return room(stored, key, c.ForgetAfter)
}

// room returns a fault unless a node may store one more bundle: it has less than MaxOfNode, and if all MaxBundles are there, its group has
// less than its share. So neither a node nor a group takes the room of others.
func room(stored map[string]roster.Key, key roster.Key, forget time.Duration) error {
	node, groups := 0, map[fleet.GroupID]int{}
	for _, by := range stored {
		groups[by.Group]++
		if by == key {
			node++
		}
	}
	own := groups[key.Group]
	groups[key.Group]++ // count it even without a bundle
	switch {
	case node >= MaxOfNode:
		return fault.New(fault.Busy, "TOO_MANY_SCHEMAS", "%d bundles of schemas that node %q of group %q uploaded are stored already, which is "+
			"the limit of a node; one that no node names is forgotten after %s",
			node, key.Node, key.Group, forget)
	case len(stored) >= MaxBundles && own >= max(1, MaxBundles/len(groups)):
		return fault.New(fault.Busy, "TOO_MANY_SCHEMAS", "%d bundles of schemas are stored already, which is the limit, %d of them by group "+
			"%q; one that no node names is forgotten after %s",
			len(stored), own, key.Group, forget)
	}
	return nil
}

// named checks that an enrolled node reports the bundle. A refusal is confirmed by etcd.
func (c *Cache) named(ctx context.Context, key roster.Key, digest string) error {
	cur := c.View.Current(key)
	if roster.SchemasOf(cur.Node, cur.Session) == digest {
		return nil
	}
	cur, err := c.Ledger.Current(ctx, key)
	switch {
	case err != nil:
		return err
	case cur.Node == nil:
		return roster.NotEnrolled(key)
	case roster.SchemasOf(cur.Node, cur.Session) != digest:
		return fault.New(fault.WrongState, "SCHEMAS_NOT_NAMED", "node %q of group %q does not name these schemas in its capabilities", key.Node,
			key.Group)
	}
	return nil
}

// Bundle returns a bundle, compressed, or a fault of kind Missing.
func (c *Cache) Bundle(ctx context.Context, digest string) ([]byte, error) {
	zstd, _, err := c.Ledger.Schemas(ctx, digest)
	if err != nil {
		return nil, err
	}
	if zstd == nil {
		return nil, fault.New(fault.Missing, "SCHEMAS_NOT_FOUND", "no schemas with the digest %q are stored", digest)
	}
	return zstd, nil
}

// Collect deletes the bundles that no node has reported for a while. A bundle stays if any node was written since this replica read the
// nodes.
func (c *Cache) Collect(ctx context.Context, now time.Time) {
	bundles, upTo := c.View.Unnamed()
	for digest, storedAt := range c.idle(bundles, now) {
		gone, err := c.Ledger.DeleteSchemas(ctx, digest, storedAt, upTo)
		switch {
		case err != nil && ctx.Err() == nil:
			c.Log.Warn("unused schemas not deleted yet", "error", err)
		case gone:
			c.Metrics.collected.Inc()
			c.Log.Info("unused schemas deleted", "schemas", digest)
		}
	}
}

// Tidy checks each stored bundle once, and removes secrets that gateways invented and older registries stored. The bundle keeps its digest.
func (c *Cache) Tidy(ctx context.Context) {
	stored := c.View.Bundles()
	c.mu.Lock()
	maps.DeleteFunc(c.tidied, func(digest string, _ bool) bool { return !has(stored, digest) })
	maps.DeleteFunc(stored, func(digest string, _ roster.Key) bool { return c.tidied[digest] })
	c.mu.Unlock()
	for digest := range stored {
		if err := c.tidy(ctx, digest); err != nil {
			if ctx.Err() == nil {
				c.Log.Warn("schemas of an older agent not tidied yet", "error", err)
			}
			return
		}
		c.mu.Lock()
		c.tidied[digest] = true
		c.mu.Unlock()
	}
}

func (c *Cache) tidy(ctx context.Context, digest string) error {
	zstd, readAt, err := c.Ledger.Schemas(ctx, digest)
	if err != nil || zstd == nil {
		return err
	}
	select {
	case c.verifying <- struct{}{}:
		defer func() { <-c.verifying }()
	case <-ctx.Done():
		return ctx.Err()
	}
	b, err := schema.Unpack(zstd)
	if err != nil || b.Normalized() == b {
		return nil // translators report unreadable bundles
	}
	changed, err := c.Ledger.TidySchemas(ctx, digest, readAt, schema.Pack(b.Normalized()))
	if changed {
		c.Log.Info("schemas of an older agent tidied", "schemas", digest)
	}
	return err
}

func has[V any](all map[string]V, digest string) bool {
	_, there := all[digest]
	return there
}

// idle notes since when bundles are unused, and returns those that are for long enough.
func (c *Cache) idle(unnamed map[string]int64, now time.Time) map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.unnamed, func(digest string, _ time.Time) bool { return !has(unnamed, digest) })
	due := map[string]int64{}
	for digest, storedAt := range unnamed {
		since, known := c.unnamed[digest]
		if !known {
			c.unnamed[digest] = now
			since = now
		}
		if now.Sub(since) >= c.ForgetAfter {
			due[digest] = storedAt
		}
	}
	return due
}
