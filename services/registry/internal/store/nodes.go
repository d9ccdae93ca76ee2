package store

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// ChangeNode changes the record of a node. decide returns false for no change. It must be pure: it is called again when the record changed
// in between. The revision is 0 when nothing was written. A fault of kind Missing means that there is no such node.
func (s *Store) ChangeNode(ctx context.Context, key roster.Key, decide func(roster.Node) (roster.Node, bool)) (int64, error) {
	results, err := s.Commit(ctx, clientv3.NoLease, []Change{{Key: key, Decide: func(cur Current) (Write, error) {
		if cur.Node == nil {
			return Write{}, roster.NoNode(key)
		}
		if next, changed := decide(*cur.Node); changed {
			return Write{Node: &next}, nil
		}
		return Write{}, nil
	}}})
	if err != nil {
		return 0, err
	}
	return results[0].Revision, results[0].Err
}
