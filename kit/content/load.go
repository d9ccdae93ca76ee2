package content

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// chunks loads chunks by their keys. It leaves out missing ones.
func (s *Store) chunks(ctx context.Context, refs []snapshot.ChunkRef) (map[string][]byte, error) {
	keys := make([]string, len(refs))
	for i, ref := range refs {
		keys[i] = chunkKey(ref.Sum)
	}
	return s.load(ctx, keys, func(key string, frame []byte) error {
		sum, err := snapshot.ParseSum(strings.TrimPrefix(key, ChunkPrefix))
		if err != nil {
			return err
		}
		_, err = snapshot.Verify(frame, sum)
		return err
	})
}

// load returns the values of keys, from memory or from etcd. Values from etcd are verified before they are cached. Missing keys are left
// out.
func (s *Store) load(ctx context.Context, keys []string, verify func(key string, value []byte) error) (map[string][]byte, error) {
	found := make(map[string][]byte, len(keys))
	var absent []string
	for _, key := range keys {
		if value, ok := s.cache.get(key); ok {
			found[key] = value
		} else {
			absent = append(absent, key)
		}
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelism)
	for batch := range slices.Chunk(absent, getsAtOnce) {
		group.Go(func() error {
			values, err := s.get(ctx, batch)
			if err != nil {
				return err
			}
			for key, value := range values {
				if err := verify(key, value); err != nil {
					return err
				}
				s.cache.put(key, value)
			}
			mu.Lock()
			defer mu.Unlock()
			for key, value := range values {
				found[key] = value
			}
			return nil
		})
	}
	return found, group.Wait()
}

func (s *Store) get(ctx context.Context, keys []string, opts ...clientv3.OpOption) (map[string][]byte, error) {
	ops := make([]clientv3.Op, len(keys))
	for i, key := range keys {
		ops[i] = clientv3.OpGet(key, opts...)
	}
	answer, err := s.kv.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	values := make(map[string][]byte, len(keys))
	for _, r := range answer.Responses {
		for _, kv := range r.GetResponseRange().Kvs {
			values[string(kv.Key)] = kv.Value
		}
	}
	return values, nil
}
