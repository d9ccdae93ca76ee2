package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// ordersAttempts is how often a write is tried when other orders are written at the same time.
const ordersAttempts = 10

// AddOrder adds an order to those of its group, in one transaction that needs no leader. The leader reads it and obeys. An order with a
// known id is not added; the known one is returned.
func AddOrder(ctx context.Context, kv clientv3.KV, group fleet.GroupID, order rollout.Order) (rollout.Order,
	error) {
	for range ordersAttempts {
		var orders rollout.Orders
		var version int64
		answer, err := kv.Get(ctx, ordersKey(group))
		if err != nil {
			return rollout.Order{}, fmt.Errorf("read the orders of group %s: %w", group, err)
		}
		for _, item := range answer.Kvs {
			version = item.ModRevision
			if orders, err = decode[rollout.Orders](item.Value); err != nil {
				return rollout.Order{}, fault.New(fault.WrongState, "ORDERS_UNREADABLE", "the orders of group %q cannot be read by this version",
					group).Because(err)
			}
		}
		if there, ok := orders.Find(order.ID); ok {
			return there, nil
		}
		text, err := encode(orders.With(order))
		if err != nil {
			return rollout.Order{}, err
		}
		written, err := kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(ordersKey(group)), "=", version)).
			Then(clientv3.OpPut(ordersKey(group), text)).Commit()
		if err != nil {
			return rollout.Order{}, fmt.Errorf("write an order for group %s: %w", group, err)
		}
		if written.Succeeded {
			return order, nil
		}
	}
	return rollout.Order{}, fault.New(fault.Conflict, "ORDERS_CHANGED", "other orders for group %q are written now; try again", group)
}
