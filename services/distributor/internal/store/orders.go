package store

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// ordersAttempts is how often a write is tried when other orders are written at the same time.
const ordersAttempts = 10

// AddOrder adds an order to those of its group, in one transaction that needs no leader, and returns it as it is stored, see
// Orders.Settled. The leader reads it and obeys. One with a known id is not added; the known one is returned. An order to the group is in
// force with that transaction, which tells it too; one to a rollout is told when it is obeyed.
func AddOrder(ctx context.Context, kv clientv3.KV, group fleet.GroupID, order rollout.Order) (rollout.Order,
	error) {
	for range ordersAttempts {
		was, err := readOrders(ctx, kv, group)
		if err != nil {
			return rollout.Order{}, err
		}
		if there, ok := was.Find(order.ID); ok {
			return there, nil
		}
		order := was.Settled(order)
		text, err := encode(was.With(order))
		if err != nil {
			return rollout.Order{}, err
		}
		conditions := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(ordersKey(group)), "=", was.version)}
		writes := []clientv3.Op{clientv3.OpPut(ordersKey(group), text)}
		if told := event.Ordered(order.Time, group, order); len(told) > 0 {
			free, put, err := tell(was.recovery.number(was.at), was.recovery, told)
			if err != nil {
				return rollout.Order{}, err
			}
			conditions = append(conditions, free, clientv3.Compare(clientv3.ModRevision(epochKey), "=", was.recovery.modRevision))
			writes = append(writes, put)
		}
		written, err := kv.Txn(ctx).If(conditions...).Then(writes...).Commit()
		if err != nil {
			return rollout.Order{}, fmt.Errorf("write an order for group %s: %w", group, err)
		}
		if written.Succeeded {
			return order, nil
		}
	}
	return rollout.Order{}, fault.New(fault.Conflict, "ORDERS_CHANGED", "other orders for group %q are written now; try again", group)
}

// FindOrder returns the order with that id. It asks etcd: the view of this replica may be older than the order.
func FindOrder(ctx context.Context, kv clientv3.KV, group fleet.GroupID, id string) (rollout.Order, bool, error) {
	was, err := readOrders(ctx, kv, group)
	order, found := was.Find(id)
	return order, found, err
}

// storedOrders are the orders of a group as they were read.
type storedOrders struct {
	rollout.Orders
	version  int64 // the etcd revision of the record; 0 without one
	at       int64 // the etcd revision at which it was read
	recovery Recovery
}

func readOrders(ctx context.Context, kv clientv3.KV, group fleet.GroupID) (storedOrders, error) {
	answer, err := kv.Txn(ctx).Then(clientv3.OpGet(ordersKey(group)), clientv3.OpGet(epochKey)).Commit()
	if err != nil {
		return storedOrders{}, fmt.Errorf("read the orders of group %s: %w", group, err)
	}
	was := storedOrders{at: answer.Header.Revision}
	for _, item := range answer.Responses[0].GetResponseRange().GetKvs() {
		was.version = item.ModRevision
		if was.Orders, err = decode[rollout.Orders](item.Value); err != nil {
			return was, fault.New(fault.WrongState, "ORDERS_UNREADABLE", "the orders of group %q cannot be read by this version",
				group).Because(err)
		}
	}
	was.recovery = readEpoch(answer.Responses[1].GetResponseRange().GetKvs())
	return was, nil
}

// readEpoch returns the epoch and the shift that a record has, with the etcd revision of the record. One that cannot be read is the first
// epoch.
func readEpoch(items []*mvccpb.KeyValue) (r Recovery) {
	for _, item := range items {
		r.modRevision = item.ModRevision
		if is, err := decode[Recovery](item.Value); err == nil {
			r.Epoch, r.Shift = is.Epoch, is.Shift
		}
	}
	return r
}
