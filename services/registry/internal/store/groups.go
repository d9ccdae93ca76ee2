package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// CreateGroup writes a group unless it exists. It returns the stored group, its revision, and whether it was created.
func (s *Store) CreateGroup(ctx context.Context, g roster.Group) (roster.Group, int64, bool, error) {
	text, err := encode(g)
	if err != nil {
		return roster.Group{}, 0, false, err
	}
	key := groupKey(g.Name)
	answer, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).Then(clientv3.OpPut(key, text)).Else(
		clientv3.OpGet(key)).Commit()
	if err != nil {
		return roster.Group{}, 0, false, fmt.Errorf("create group %s: %w", g.Name, err)
	}
	if answer.Succeeded {
		return g, answer.Header.Revision, true, nil
	}
	kv := answer.Responses[0].GetResponseRange().Kvs[0]
	there, err := Decode[roster.Group](kv.Value)
	if err != nil {
		return roster.Group{}, 0, false, fmt.Errorf("read group %s: %w", g.Name, err)
	}
	return *there, kv.ModRevision, false, nil
}

// Group reads a group and its revision; nil when there is none.
func (s *Store) Group(ctx context.Context, name fleet.GroupID) (*roster.Group, int64, error) {
	answer, err := s.kv.Get(ctx, groupKey(name))
	if err != nil {
		return nil, 0, fmt.Errorf("read group %s: %w", name, err)
	}
	if len(answer.Kvs) == 0 {
		return nil, 0, nil
	}
	g, err := Decode[roster.Group](answer.Kvs[0].Value)
	if err != nil {
		return nil, 0, fmt.Errorf("read group %s: %w", name, err)
	}
	return g, answer.Kvs[0].ModRevision, nil
}

// UpdateGroup replaces the group that was read at a revision. A fault of kind Conflict means that it changed since.
func (s *Store) UpdateGroup(ctx context.Context, g roster.Group, readAt int64) (int64, error) {
	text, err := encode(g)
	if err != nil {
		return 0, err
	}
	key := groupKey(g.Name)
	answer, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", readAt)).Then(clientv3.OpPut(key, text)).Commit()
	if err != nil {
		return 0, fmt.Errorf("update group %s: %w", g.Name, err)
	}
	if !answer.Succeeded {
		return 0, fault.New(fault.Conflict, "LOST_RACE", "group %q changed in the meantime", g.Name)
	}
	return answer.Header.Revision, nil
}

// DeleteGroup deletes a group without nodes. A concurrent enrolment either wins or is refused; it never leaves an orphan.
func (s *Store) DeleteGroup(ctx context.Context, name fleet.GroupID) (int64, error) {
	nodes := nodesOfGroupPrefix(name)
	answer, err := s.kv.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(nodes), "=", 0).WithPrefix()).
		Then(clientv3.OpDelete(groupKey(name))).
		Else(clientv3.OpGet(nodes, clientv3.WithPrefix(), clientv3.WithCountOnly())).Commit()
	if err != nil {
		return 0, fmt.Errorf("delete group %s: %w", name, err)
	}
	if !answer.Succeeded {
		return 0, fault.New(fault.WrongState, "GROUP_HAS_NODES", "group %q has %d node(s); delete them first", name,
			answer.Responses[0].GetResponseRange().Count).
			With("group", string(name))
	}
	if answer.Responses[0].GetResponseDeleteRange().Deleted == 0 {
		return 0, nil // nothing changed, so there is nothing to wait for
	}
	return answer.Header.Revision, nil
}

// DeleteNode deletes a node and its session.
func (s *Store) DeleteNode(ctx context.Context, key roster.Key) (int64, error) {
	answer, err := s.kv.Txn(ctx).Then(clientv3.OpDelete(nodeKey(key)), clientv3.OpDelete(sessionKey(key))).Commit()
	if err != nil {
		return 0, fmt.Errorf("delete node %s: %w", key.Node, err)
	}
	for _, r := range answer.Responses {
		if r.GetResponseDeleteRange().Deleted > 0 {
			return answer.Header.Revision, nil
		}
	}
	return 0, nil
}
