package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// InUse is what the ledger names of a group.
type InUse struct {
	Group     fleet.GroupID
	Revisions []fleet.Revision
	Digests   []fleet.Digest
}

// ReadInUse returns what every group with an assignment names, and the etcd revision since which nothing else can come to be named but
// newer revisions. It asks etcd itself: a view may lag behind. A group with a record that cannot be read is left out, and its name is in
// unread.
func ReadInUse(ctx context.Context, kv clientv3.KV) (all []InUse, at int64, unread []fleet.GroupID, err error) {
	groups, err := kv.Get(ctx, assignmentPrefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, 0, nil, fmt.Errorf("list assignments: %w", err)
	}
	for _, item := range groups.Kvs {
		names, ok := parts(string(item.Key), assignmentPrefix, 1)
		if !ok {
			continue
		}
		group := fleet.GroupID(names[0])
		inUse, err := readInUse(ctx, kv, group)
		if err != nil {
			return nil, 0, nil, err
		}
		if inUse == nil {
			unread = append(unread, group)
			continue
		}
		all = append(all, *inUse)
	}
	return all, groups.Header.Revision, unread, nil
}

// readInUse returns nil when a record of the group is gone or cannot be read.
func readInUse(ctx context.Context, kv clientv3.KV, group fleet.GroupID) (*InUse, error) {
	answer, err := kv.Txn(ctx).Then(clientv3.OpGet(assignmentKey(group)),
		clientv3.OpGet(rolloutsPrefix+string(group)+"/", clientv3.WithPrefix())).Commit()
	if err != nil {
		return nil, fmt.Errorf("read group %s: %w", group, err)
	}
	revisions, digests := map[fleet.Revision]bool{}, map[fleet.Digest]bool{}
	name := func(targets ...rollout.Target) {
		for _, t := range targets {
			if !t.IsZero() {
				revisions[t.Revision] = true
			}
			if t.Digest != "" {
				digests[t.Digest] = true
			}
		}
	}
	assignments := answer.Responses[0].GetResponseRange().GetKvs()
	if len(assignments) == 0 {
		return nil, nil
	}
	a, err := decode[rollout.Assignment](assignments[0].Value)
	if err != nil {
		return nil, nil //nolint:nilerr // it is left out
	}
	name(a.Stable, a.Candidate)
	for _, h := range a.Held {
		name(h.Target)
	}
	for _, item := range answer.Responses[1].GetResponseRange().GetKvs() {
		r, err := decode[rollout.Rollout](item.Value)
		if err != nil {
			return nil, nil //nolint:nilerr // it is left out
		}
		name(r.Stable, r.Candidate)
		for _, n := range r.Fallback {
			revisions[n] = true
		}
		if r.Pinning != nil && r.Pinning.Revision > 0 {
			revisions[r.Pinning.Revision] = true
		}
	}
	return &InUse{
		Group: group, Revisions: slices.Sorted(maps.Keys(revisions)), Digests: slices.Sorted(maps.Keys(digests)),
	}, nil
}
