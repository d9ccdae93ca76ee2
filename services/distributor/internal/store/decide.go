// Package store is the distributor's ledger in etcd: decisions, fenced by the leader's term, and reports of replicas. It alone knows the
// keys. It decides nothing.
package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// keptRollouts is how many rollouts of a group are kept, the newest among them.
const keptRollouts = 20

// Decide writes a decision and its news, with the term and the epoch, in one transaction and returns its etcd revision. It fails with a
// fault of kind StaleTerm when the term is over, and of kind Conflict when the group or the epoch has changed since the decision was made.
// A decision that begins a rollout compares the orders of the group too: a leader that has not heard of a freeze yet begins nothing.
func Decide(ctx context.Context, kv clientv3.KV, fence etcdkv.Fence, id fleet.GroupID, was Group, d rollout.Decision, n News) (int64,
	error) {
	var (
		conditions []clientv3.Cmp
		writes     []clientv3.Op
	)
	decision := int64(0)
	if was.Assignment != nil {
		decision = int64(was.Assignment.Decision)
	}
	term := fleet.Term(was.Recovery.number(int64(fence.Term)))
	conditions = append(conditions,
		clientv3.Compare(clientv3.ModRevision(assignmentKey(id)), "=", was.assignedAt),
		// No node would follow a decision of an epoch that is over, and it would undo the recovery of its group.
		clientv3.Compare(clientv3.ModRevision(epochKey), "=", was.Recovery.modRevision))
	if begins(was, d) {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(ordersKey(id)), "=", was.ordersAt))
	}
	known := map[fleet.RolloutID]int64{}
	for _, r := range was.Rollouts {
		known[r.ID] = r.modRevision
	}
	for _, r := range []*rollout.Rollout{d.Ended, d.Rollout} {
		if r == nil {
			continue
		}
		stamped := *r
		stamped.Term = term
		text, err := encode(stamped)
		if err != nil {
			return 0, err
		}
		key := rolloutKey(id, r.ID)
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(key), "=", known[r.ID]))
		writes = append(writes, clientv3.OpPut(key, text))
	}
	if d.Assignment != nil {
		stamped := *d.Assignment
		before := rollout.Lineage(was.Recovery.Epoch, was.Assignment).Next(was.Recovery.Epoch, term, fence.ID)
		stamped.Term, stamped.TermID, stamped.Epoch = term, fence.ID, was.Recovery.Epoch
		stamped.Since, stamped.Ends = before.Since, before.Ends
		text, err := encodeShifted(stamped, was.Recovery.Shift)
		if err != nil {
			return 0, err
		}
		writes = append(writes, clientv3.OpPut(assignmentKey(id), text))
	}
	writes = append(writes, trims(id, was, d)...)
	if n.Told != nil {
		text, err := encode(*n.Told)
		if err != nil {
			return 0, err
		}
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(toldKey(id)), "=", was.toldAt))
		writes = append(writes, clientv3.OpPut(toldKey(id), text))
	}
	if len(n.Events) > 0 {
		free, put, err := tell(max(decision, int64(term)), was.Recovery, n.Events)
		if err != nil {
			return 0, err
		}
		conditions, writes = append(conditions, free), append(writes, put)
	}
	revision, err := fence.Commit(ctx, kv, conditions, writes...)
	if err != nil {
		return 0, fmt.Errorf("decide for group %s: %w", id, err)
	}
	return revision, nil
}

// begins reports whether a decision begins a rollout.
func begins(was Group, d rollout.Decision) bool {
	return d.Rollout != nil && (was.Newest() == nil || was.Newest().ID < d.Rollout.ID)
}

// trims returns the deletions that make room for a new rollout.
func trims(id fleet.GroupID, was Group, d rollout.Decision) (deletes []clientv3.Op) {
	if !begins(was, d) {
		return nil
	}
	for i := 0; i <= len(was.Rollouts)-keptRollouts; i++ {
		if r := was.Rollouts[i]; d.Ended == nil || d.Ended.ID != r.ID {
			deletes = append(deletes, clientv3.OpDelete(rolloutKey(id, r.ID)))
		}
	}
	return deletes
}
