package content

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/singleflight"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// ErrMissing means that the content does not exist, or no longer. Damaged content is snapshot.ErrChunk or snapshot.ErrManifest.
var ErrMissing = errors.New("content is missing")

// Bounds of one etcd transaction, and of how many run at once for a call.
const (
	maxOps      = 128     // etcd's own default
	maxBytes    = 900_000 // etcd requests stay under 1 MiB, keys and framing included
	getsAtOnce  = 32
	parallelism = 4
)

// DefaultCacheBytes is how much compressed content is kept in memory.
const DefaultCacheBytes = 64 << 20

// flightTimeout bounds a read that several callers share. The read does not end with the context of the first caller.
const flightTimeout = 30 * time.Second

// Store reads and writes content. It is safe for concurrent use. The slices that it returns are shared and must not be modified.
type Store struct {
	kv      clientv3.KV
	cache   *cache
	flights singleflight.Group
}

// New returns a store that keeps up to cacheBytes of compressed content in
// memory; 0 is DefaultCacheBytes, less than 0 none.
func New(kv clientv3.KV, cacheBytes int) *Store {
	if cacheBytes == 0 {
		cacheBytes = DefaultCacheBytes
	}
	return &Store{kv: kv, cache: newCache(cacheBytes)}
}

// Manifest returns the manifest of a snapshot.
func (s *Store) Manifest(ctx context.Context, digest fleet.Digest) (snapshot.Manifest, error) {
	key := manifestKey(digest)
	encoded, err := shared(ctx, s, key, func(ctx context.Context) ([]byte, error) {
		found, err := s.load(ctx, []string{key}, func(_ string, encoded []byte) error {
			_, err := decode(encoded, digest)
			return err
		})
		if err != nil {
			return nil, err
		}
		return only(found, key)
	})
	if err != nil {
		return snapshot.Manifest{}, fmt.Errorf("manifest %s: %w", digest, err)
	}
	return decode(encoded, digest)
}

// Chunk returns a chunk in its stored form, a zstd frame, verified against sum.
func (s *Store) Chunk(ctx context.Context, sum snapshot.Sum) ([]byte, error) {
	key := chunkKey(sum)
	frame, err := shared(ctx, s, key, func(ctx context.Context) ([]byte, error) {
		found, err := s.chunks(ctx, []snapshot.ChunkRef{{Sum: sum}})
		if err != nil {
			return nil, err
		}
		return only(found, key)
	})
	if err != nil {
		return nil, fmt.Errorf("chunk %s: %w", sum, err)
	}
	return frame, nil
}

// Read returns the canonical bytes of a snapshot, verified against its digest. Concurrent callers get the same slice.
func (s *Store) Read(ctx context.Context, digest fleet.Digest) ([]byte, error) {
	canonical, err := shared(ctx, s, "read "+string(digest), func(ctx context.Context) ([]byte, error) {
		d, err := s.delta(ctx, "", digest)
		if err != nil {
			return nil, err
		}
		return snapshot.Apply(nil, d, digest)
	})
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", digest, err)
	}
	return canonical, nil
}

// Delta returns the delta that makes the snapshot to from the snapshot from. Without from, or when its manifest no longer exists, the delta
// has no base: see its BaseDigest. Concurrent callers share the work and the result. The store does not keep it.
func (s *Store) Delta(ctx context.Context, from, to fleet.Digest) (snapshot.Delta, error) {
	d, err := shared(ctx, s, "delta "+string(from)+" "+string(to), func(ctx context.Context) (snapshot.Delta, error) {
		return s.delta(ctx, from, to)
	})
	if err != nil {
		return snapshot.Delta{}, fmt.Errorf("delta to snapshot %s: %w", to, err)
	}
	return d, nil
}

func (s *Store) delta(ctx context.Context, from, to fleet.Digest) (snapshot.Delta, error) {
	target, err := s.Manifest(ctx, to)
	if err != nil {
		return snapshot.Delta{}, err
	}
	var base snapshot.Manifest
	if from != "" {
		if base, err = s.Manifest(ctx, from); err != nil && !errors.Is(err, ErrMissing) {
			return snapshot.Delta{}, err
		}
	}
	changes := snapshot.Diff(base, target)
	found, err := s.chunks(ctx, append(changes.Added, changes.Removed...))
	if err != nil {
		return snapshot.Delta{}, err
	}
	return snapshot.EncodeDelta(base, target, func(sum snapshot.Sum) ([]byte, error) {
		frame, err := only(found, chunkKey(sum))
		if err != nil {
			return nil, fmt.Errorf("chunk %s: %w", sum, err)
		}
		return frame, nil
	})
}

// shared runs a function once for all callers with the same name at the same time. A caller whose ctx ends returns; the work continues for
// the others.
func shared[T any](ctx context.Context, s *Store, name string, do func(context.Context) (T, error)) (T, error) {
	done := s.flights.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTimeout)
		defer cancel()
		return do(ctx)
	})
	var none T
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case r := <-done:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(T), nil
	}
}

func only(found map[string][]byte, key string) ([]byte, error) {
	if value, ok := found[key]; ok {
		return value, nil
	}
	return nil, ErrMissing
}

func decode(encoded []byte, digest fleet.Digest) (snapshot.Manifest, error) {
	var m snapshot.Manifest
	if err := m.UnmarshalBinary(encoded); err != nil {
		return m, err
	}
	if m.Digest != digest {
		return snapshot.Manifest{}, fmt.Errorf("%w: it has the digest %s", snapshot.ErrManifest, m.Digest)
	}
	return m, nil
}
