package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

func putTargets(g *Group, _ []string, kv etcdkv.KV) error {
	set, number, err := decodeNumbered[targets.Set](kv.Value, kv.ModRevision)
	if err != nil {
		return err
	}
	set.Stamp.Decision = fleet.Decision(number)
	g.targets, g.targetsAt = set, kv.ModRevision
	return nil
}

// Targets returns what the gateways of the group are to keep out, with the epoch of the ledger.
func (g Group) Targets() targets.Set {
	set := g.targets
	set.Stamp.Epoch = g.Recovery.Epoch
	return set
}

// ChangeTargets changes what the gateways of a group are to keep out, in a transaction that needs no leader. The change gets the set as it
// is, and may be called again when others change it meanwhile. A set without changes is not written. The stamp of what is returned has no
// epoch. The transaction tells the events of the change, by who made it.
func ChangeTargets(ctx context.Context, kv clientv3.KV, group fleet.GroupID, by targets.Change, change targets.Changer) (targets.Set,
	error) {
	for range ordersAttempts {
		was, err := readTargets(ctx, kv, group)
		if err != nil {
			return targets.Set{}, err
		}
		next, changed, err := change(was.targets)
		if err != nil {
			return targets.Set{}, err
		}
		if !changed {
			return was.targets, nil
		}
		if err := next.Fits(); err != nil {
			return targets.Set{}, err
		}
		text, err := encodeShifted(next, was.Recovery.Shift)
		if err != nil {
			return targets.Set{}, err
		}
		conditions := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(targetsKey(group)), "=", was.targetsAt)}
		writes := []clientv3.Op{clientv3.OpPut(targetsKey(group), text)}
		if told := event.Drained(group, by, was.targets, next); len(told) > 0 {
			free, put, err := tell(was.Recovery.number(was.at), was.Recovery, told)
			if err != nil {
				return targets.Set{}, err
			}
			conditions = append(conditions, free, clientv3.Compare(clientv3.ModRevision(epochKey), "=", was.Recovery.modRevision))
			writes = append(writes, put)
		}
		written, err := kv.Txn(ctx).If(conditions...).Then(writes...).Commit()
		if err != nil {
			return targets.Set{}, fmt.Errorf("write the targets of group %s: %w", group, err)
		}
		if written.Succeeded {
			next.Stamp.Decision = fleet.Decision(was.Recovery.number(written.Header.Revision))
			return next, nil
		}
	}
	return targets.Set{}, fault.New(fault.Conflict, "TARGETS_CHANGED", "others change the targets of group %q now; try again", group)
}

// storedTargets are the targets of a group as they were read.
type storedTargets struct {
	Group
	at int64 // the etcd revision at which they were read
}

// readTargets reads the targets of a group and the epoch from etcd.
func readTargets(ctx context.Context, kv clientv3.KV, group fleet.GroupID) (storedTargets, error) {
	answer, err := kv.Txn(ctx).Then(clientv3.OpGet(targetsKey(group)), clientv3.OpGet(epochKey)).Commit()
	if err != nil {
		return storedTargets{}, fmt.Errorf("read the targets of group %s: %w", group, err)
	}
	was := storedTargets{at: answer.Header.Revision}
	for _, item := range answer.Responses[0].GetResponseRange().GetKvs() {
		if err := putTargets(&was.Group, nil, etcdkv.KV{Key: string(item.Key), Value: item.Value, ModRevision: item.ModRevision}); err != nil {
			return was, fault.New(fault.WrongState, "TARGETS_UNREADABLE", "the targets that group %q keeps out cannot be read by this version",
				group).Because(err)
		}
	}
	was.Recovery = readEpoch(answer.Responses[1].GetResponseRange().GetKvs())
	return was, nil
}
