package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// PutSchemas stores a bundle of schemas, compressed, unless it exists: bundles never change. It returns the revision of the bundle. The
// uploader is stored beside it.
func (s *Store) PutSchemas(ctx context.Context, digest string, zstd []byte, uploader roster.Key) (int64, error) {
	key := SchemaKey(digest)
	by, err := encode(uploader)
	if err != nil {
		return 0, err
	}
	answer, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(zstd)), clientv3.OpPut(UploaderKey(digest), by)).Else(
		clientv3.OpGet(key, clientv3.WithKeysOnly())).Commit()
	if err != nil {
		return 0, fmt.Errorf("store schemas: %w", err)
	}
	if answer.Succeeded {
		return answer.Header.Revision, nil
	}
	return answer.Responses[0].GetResponseRange().Kvs[0].ModRevision, nil
}

// TidySchemas replaces the bundle that was read at a revision by a reduced one. The uploader stays. false means that the bundle changed or
// is gone.
func (s *Store) TidySchemas(ctx context.Context, digest string, readAt int64, zstd []byte) (bool, error) {
	key := SchemaKey(digest)
	answer, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", readAt)).Then(clientv3.OpPut(key, string(zstd))).Commit()
	if err != nil {
		return false, fmt.Errorf("tidy schemas: %w", err)
	}
	return answer.Succeeded, nil
}

// Schemas reads a bundle of schemas, and the revision at which it was written; nil when it is not there.
func (s *Store) Schemas(ctx context.Context, digest string) (zstd []byte, revision int64, err error) {
	answer, err := s.kv.Get(ctx, SchemaKey(digest))
	if err != nil {
		return nil, 0, fmt.Errorf("read schemas: %w", err)
	}
	if len(answer.Kvs) == 0 {
		return nil, 0, nil
	}
	return answer.Kvs[0].Value, answer.Kvs[0].ModRevision, nil
}

// DeleteSchemas deletes a bundle that was stored at a revision and had no nodes at another. It returns false and does nothing when any node
// was written since: that node may report the bundle.
func (s *Store) DeleteSchemas(ctx context.Context, digest string, storedAt, readUpTo int64) (bool, error) {
	key := SchemaKey(digest)
	answer, err := s.kv.Txn(ctx).If(
		clientv3.Compare(clientv3.ModRevision(key), "=", storedAt),
		clientv3.Compare(clientv3.ModRevision(nodePrefix), "<", readUpTo+1).WithPrefix(),
	).Then(clientv3.OpDelete(key), clientv3.OpDelete(UploaderKey(digest))).Commit()
	if err != nil {
		return false, fmt.Errorf("delete schemas: %w", err)
	}
	return answer.Succeeded, nil
}
