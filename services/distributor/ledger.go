package distributor

import (
	"context"
	"slices"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/api"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/recovery"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// ledger implements api.Ledger by the store and the cache.
type ledger struct{ d *Distributor }

// Ready implements api.Ledger. It does not wait for the registry: without it only nodes with streams are counted. When this replica stops,
// waiting calls fail so that clients go to another replica.
func (l ledger) Ready(ctx context.Context) error {
	lost, why := l.d.outage.state()
	if why != nil {
		return why
	}
	select {
	case <-l.d.view.Synced():
		return nil
	default:
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.d.draining:
		return fault.New(fault.Down, "STOPPING", "this replica is stopping")
	case <-lost:
		_, why := l.d.outage.state()
		return why
	case <-l.d.view.Synced():
		return nil
	}
}

// Lost implements api.Ledger.
func (l ledger) Lost() <-chan struct{} {
	lost, _ := l.d.outage.state()
	return lost
}

// Groups implements api.Ledger.
func (l ledger) Groups() []fleet.GroupID { return l.d.view.Groups() }

// Rollouts implements api.Ledger.
func (l ledger) Rollouts(id fleet.GroupID) []api.Counted {
	g := l.d.view.Group(id)
	all := make([]api.Counted, 0, len(g.Rollouts))
	for i, r := range slices.Backward(g.Rollouts) {
		c := api.Counted{Rollout: r.Rollout, Now: r.Progress}
		c.Gates = r.Gates
		if i == len(g.Rollouts)-1 {
			live := l.d.cache.Live(id, g)
			c.Now, c.Gates, c.Next, c.Forecast = live.Progress, live.Gates, live.Next, live.Forecast
			c.Interval, c.Frozen = &live.Interval, g.Orders.Frozen()
		}
		all = append(all, c)
	}
	return all
}

// Assignment implements api.Ledger.
func (l ledger) Assignment(id fleet.GroupID) (rollout.Assignment, bool) {
	if a := l.d.view.Group(id).Assignment; a != nil {
		return *a, true
	}
	return rollout.Assignment{}, false
}

// Known implements api.Ledger.
func (l ledger) Known(id fleet.GroupID) bool {
	return l.d.cache.HasGroup(id) || slices.Contains(l.d.view.Groups(), id)
}

// Waits implements api.Ledger.
func (l ledger) Waits(id fleet.GroupID) bool { return l.d.cache.Waits(id, l.d.view.Group(id)) }

// Orders implements api.Ledger.
func (l ledger) Orders(id fleet.GroupID) rollout.Orders { return l.d.view.Group(id).Orders }

// AddOrder implements api.Ledger. An order for a rollout that has been superseded meanwhile is never obeyed and does no harm.
func (l ledger) AddOrder(ctx context.Context, id fleet.GroupID, o rollout.Order) (rollout.Order, error) {
	order, err := store.AddOrder(ctx, l.d.deps.Etcd, id, o)
	if err != nil {
		return order, unreachable(err)
	}
	l.d.deps.Log.Info("operator's order", telemetry.Group, id, telemetry.Rollout, o.Rollout, "verb", o.Verb, "author", o.Author, "reason",
		o.Reason)
	return order, nil
}

// FindOrder implements api.Ledger.
func (l ledger) FindOrder(ctx context.Context, group fleet.GroupID, id string) (rollout.Order, bool, error) {
	order, found, err := store.FindOrder(ctx, l.d.deps.Etcd, group, id)
	if err != nil {
		err = unreachable(err)
	}
	return order, found, err
}

// unreachable returns an error of etcd as a caller can use it.
func unreachable(err error) error {
	if err = etcdkv.Fault(err); fault.KindOf(err) == fault.Internal {
		return fault.NoLedger(err)
	}
	return err
}

// State implements api.Ledger.
func (l ledger) State(ctx context.Context) (recovery.State, error) { return l.d.recovery.State(ctx) }

// Problem implements api.Ledger.
func (l ledger) Problem() string { return l.d.etcdHealth.Warning() }

// Members implements api.Ledger.
func (l ledger) Members() []etcdkv.MemberSize { return l.d.etcdSize.Sizes() }

// Recover implements api.Ledger.
func (l ledger) Recover(ctx context.Context, o recovery.Request) (recovery.State, error) {
	return l.d.recovery.Recover(ctx, o)
}

// followed combines the reports of nodes to the registry with those to this replica, which are newer or the same.
func (d *Distributor) followed() (all []recovery.Node, complete bool) {
	told := d.hub.Followed()
	known, complete := d.cache.Followed()
	for _, n := range known {
		if here, ok := told[n.Group][n.Node]; ok {
			n.Online = true
			if here.After(n.Followed) {
				n.Followed = here
			}
			delete(told[n.Group], n.Node)
		}
		all = append(all, n)
	}
	for group, nodes := range told {
		for node, stamp := range nodes {
			all = append(all, recovery.Node{Group: group, Node: node, Online: true, Followed: stamp})
		}
	}
	return all, complete
}

// Changes implements api.Ledger.
func (l ledger) Changes() (<-chan struct{}, func() []fleet.GroupID, func()) {
	sub := l.d.view.Subscribe()
	return sub.Bell(), sub.Take, sub.Close
}

// journal implements api.Journal by the store.
type journal struct{ ledger }

// Read implements api.Journal.
func (j journal) Read() event.Reading { return j.d.view.Journal().Read() }

// Known implements api.Journal.
func (j journal) Known(ctx context.Context) (event.Sequence, error) {
	known, err := store.KnownEvents(ctx, j.d.deps.Etcd)
	if err != nil {
		return 0, fault.NoLedger(err)
	}
	return known, nil
}
