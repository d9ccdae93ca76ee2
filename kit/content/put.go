package content

import (
	"context"
	"fmt"
	"slices"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Put stores a snapshot: the chunks that etcd lacks, then the manifest, so that all chunks of a readable manifest exist. It may be
// repeated, and run by several replicas at once. After an error some chunks may exist without a manifest; the next Put of the same snapshot
// continues from there.
func (s *Store) Put(ctx context.Context, snap *snapshot.Snapshot) error {
	m := snap.Manifest()
	missing, err := s.missing(ctx, m.Chunks)
	if err != nil {
		return fmt.Errorf("put snapshot %s: %w", m.Digest, err)
	}
	if err := s.putChunks(ctx, snap, missing); err != nil {
		return fmt.Errorf("put snapshot %s: %w", m.Digest, err)
	}
	encoded, err := m.MarshalBinary()
	if err != nil {
		return fmt.Errorf("put snapshot %s: %w", m.Digest, err)
	}
	key := manifestKey(m.Digest)
	_, err = s.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).Then(clientv3.OpPut(key, string(encoded))).Commit()
	if err != nil {
		return fmt.Errorf("put snapshot %s: manifest: %w", m.Digest, err)
	}
	s.cache.put(key, encoded)
	return nil
}

// missing returns the chunks that etcd lacks. It does not use the cache, which may hold deleted chunks.
func (s *Store) missing(ctx context.Context, refs []snapshot.ChunkRef) ([]snapshot.Sum, error) {
	var mu sync.Mutex
	there := make(map[string]struct{}, len(refs))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelism)
	for batch := range slices.Chunk(refs, maxOps) {
		group.Go(func() error {
			keys := make([]string, len(batch))
			for i, ref := range batch {
				keys[i] = chunkKey(ref.Sum)
			}
			values, err := s.get(gctx, keys, clientv3.WithKeysOnly())
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for key := range values {
				there[key] = struct{}{}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var sums []snapshot.Sum
	for _, ref := range refs {
		key := chunkKey(ref.Sum)
		if _, ok := there[key]; !ok {
			there[key] = struct{}{} // once is enough
			sums = append(sums, ref.Sum)
		}
	}
	return sums, nil
}

// putChunks compresses and writes chunks, as many in a transaction as fit.
func (s *Store) putChunks(ctx context.Context, snap *snapshot.Snapshot, sums []snapshot.Sum) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelism)
	var ops []clientv3.Op
	size := 0
	flush := func() {
		batch := ops
		group.Go(func() error {
			if _, err := s.kv.Txn(gctx).Then(batch...).Commit(); err != nil {
				return fmt.Errorf("%d chunks: %w", len(batch), err)
			}
			for _, op := range batch {
				s.cache.put(string(op.KeyBytes()), op.ValueBytes())
			}
			return nil
		})
		ops, size = nil, 0
	}
	for _, sum := range sums {
		if gctx.Err() != nil {
			break // Wait returns the reason
		}
		frame, err := snap.Chunk(sum)
		if err != nil {
			group.Go(func() error { return fmt.Errorf("compress: %w", err) })
			break
		}
		op := clientv3.OpPut(chunkKey(sum), string(frame))
		cost := len(frame) + len(op.KeyBytes()) + 32
		if len(ops) == maxOps || size+cost > maxBytes && len(ops) > 0 {
			flush()
		}
		ops, size = append(ops, op), size+cost
	}
	if len(ops) > 0 {
		flush()
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// Delete deletes chunks. It does not check whether a manifest refers to them. The collector does, and deletes manifests first. A missing
// chunk is not an error.
func (s *Store) Delete(ctx context.Context, sums []snapshot.Sum) error {
	keys := make([]string, len(sums))
	for i, sum := range sums {
		keys[i] = chunkKey(sum)
	}
	return s.deleteKeys(ctx, keys)
}

// DeleteManifests deletes manifests and keeps their chunks.
func (s *Store) DeleteManifests(ctx context.Context, digests []fleet.Digest) error {
	keys := make([]string, len(digests))
	for i, digest := range digests {
		keys[i] = manifestKey(digest)
	}
	return s.deleteKeys(ctx, keys)
}

func (s *Store) deleteKeys(ctx context.Context, keys []string) error {
	for batch := range slices.Chunk(keys, maxOps) {
		ops := make([]clientv3.Op, len(batch))
		for i, key := range batch {
			ops[i] = clientv3.OpDelete(key)
		}
		if _, err := s.kv.Txn(ctx).Then(ops...).Commit(); err != nil {
			return fmt.Errorf("delete content: %w", err)
		}
		for _, key := range batch {
			s.cache.drop(key)
		}
	}
	return nil
}
