package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// Revoke writes the revocation that decide returns. before is the present one or nil, total the number of all. With forget it also deletes
// the node and its session. decide must be pure: it is called again when the record changed in between.
func (s *Store) Revoke(ctx context.Context, key roster.Key, forget bool,
	decide func(before *roster.Revocation, total int64) (roster.Revocation, error)) (roster.Revocation, int64, error) {
	at := revocationKey(key)
	for range maxRounds {
		answer, err := s.kv.Txn(ctx).Then(clientv3.OpGet(at), clientv3.OpGet(revocationPrefix, clientv3.WithPrefix(),
			clientv3.WithCountOnly())).Commit()
		if err != nil {
			return roster.Revocation{}, 0, fmt.Errorf("read revocation: %w", err)
		}
		var before *roster.Revocation
		var readAt int64
		for _, kv := range answer.Responses[0].GetResponseRange().Kvs {
			readAt = kv.ModRevision
			if before, err = Decode[roster.Revocation](kv.Value); err != nil {
				return roster.Revocation{}, 0, err
			}
		}
		next, err := decide(before, answer.Responses[1].GetResponseRange().Count)
		if err != nil {
			return roster.Revocation{}, 0, err
		}
		text, err := encode(next)
		if err != nil {
			return roster.Revocation{}, 0, err
		}
		writes := []clientv3.Op{clientv3.OpPut(at, text)}
		if forget {
			writes = append(writes, clientv3.OpDelete(nodeKey(key)), clientv3.OpDelete(sessionKey(key)))
		}
		written, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(at), "=", readAt)).Then(writes...).Commit()
		if err != nil {
			return roster.Revocation{}, 0, fmt.Errorf("write revocation: %w", err)
		}
		if written.Succeeded {
			return next, written.Header.Revision, nil
		}
	}
	return roster.Revocation{}, 0, fault.New(fault.Conflict, "LOST_RACE", "the revocation of %s changes too fast", key.Revoked())
}

// Unrevoke deletes a revocation; the revision is 0 when there is none.
func (s *Store) Unrevoke(ctx context.Context, key roster.Key) (int64, error) {
	answer, err := s.kv.Delete(ctx, revocationKey(key))
	if err != nil {
		return 0, fmt.Errorf("delete revocation: %w", err)
	}
	if answer.Deleted == 0 {
		return 0, nil
	}
	return answer.Header.Revision, nil
}
