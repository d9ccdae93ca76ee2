package store

import (
	"cmp"
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

// A kind is one kind of record of a group. Both functions replace slices and maps of the group: readers keep the old ones. A group is left
// as it is when a record cannot be read, except by a report.
type kind struct {
	prefix string
	parts  int // how many names follow the prefix; the first is that of the group
	put    func(g *Group, names []string, kv etcdkv.KV) error
	remove func(g *Group, names []string, key string)
}

// kinds are all kinds of records of groups.
var kinds = []kind{
	{assignmentPrefix, 1, putAssignment, func(g *Group, _ []string, _ string) { g.Assignment, g.assignedAt = nil, 0 }},
	{rolloutsPrefix, 2, putRollout, func(g *Group, names []string, _ string) {
		g.Rollouts = slices.DeleteFunc(slices.Clone(g.Rollouts), func(r *Rollout) bool { return string(r.ID) == names[1] })
	}},
	{ordersPrefix, 1, putOrders, func(g *Group, _ []string, _ string) { g.Orders, g.ordersAt = rollout.Orders{}, 0 }},
	{targetsPrefix, 1, putTargets, func(g *Group, _ []string, _ string) { g.targets, g.targetsAt = targets.Set{}, 0 }},
	{toldPrefix, 1, putTold, func(g *Group, _ []string, _ string) { g.Told, g.toldAt = event.Told{}, 0 }},
	{
		tallyPrefix, 3,
		func(g *Group, names []string, kv etcdkv.KV) error { return setReport(&g.tallies, names[1], kv) },
		func(g *Group, _ []string, key string) { g.tallies = withoutReport(g.tallies, key) },
	},
	{
		evidencePrefix, 3,
		func(g *Group, names []string, kv etcdkv.KV) error { return setReport(&g.evidence, names[1], kv) },
		func(g *Group, _ []string, key string) { g.evidence = withoutReport(g.evidence, key) },
	},
}

// kindOf returns the kind of a key and the names in it; nil for a key that belongs to no group.
func kindOf(key string) (*kind, []string) {
	for i := range kinds {
		if names, ok := parts(key, kinds[i].prefix, kinds[i].parts); ok {
			return &kinds[i], names
		}
	}
	return nil, nil
}

func putAssignment(g *Group, _ []string, kv etcdkv.KV) error {
	a, number, err := decodeNumbered[rollout.Assignment](kv.Value, kv.ModRevision)
	if err != nil {
		return err
	}
	a.Decision = fleet.Decision(number)
	g.Assignment, g.assignedAt = &a, kv.ModRevision
	return nil
}

func putRollout(g *Group, _ []string, kv etcdkv.KV) error {
	r, err := decode[rollout.Rollout](kv.Value)
	if err != nil {
		return err
	}
	g.Rollouts = withRollout(g.Rollouts, &Rollout{Rollout: r, modRevision: kv.ModRevision})
	return nil
}

// putOrders keeps the orders from before when the new ones cannot be read: decisions go on, by what is known.
func putOrders(g *Group, _ []string, kv etcdkv.KV) error {
	g.ordersAt = kv.ModRevision
	orders, err := decode[rollout.Orders](kv.Value)
	if err != nil {
		return err
	}
	g.Orders = orders
	return nil
}

func putTold(g *Group, _ []string, kv etcdkv.KV) error {
	told, err := decode[event.Told](kv.Value)
	if err != nil {
		return err
	}
	g.Told, g.toldAt = told, kv.ModRevision
	return nil
}

// setReport puts or replaces the report of a replica. One that cannot be read is kept as an empty one: that replica counts something, and
// a tally of no decision settles no wave.
func setReport[T any](reports *map[string]reported[T], id string, kv etcdkv.KV) error {
	value, err := decode[T](kv.Value)
	if err != nil {
		value = *new(T)
	}
	all := maps.Clone(*reports)
	if all == nil {
		all = map[string]reported[T]{}
	}
	all[kv.Key] = reported[T]{fleet.RolloutID(id), value}
	*reports = all
	return err
}

func withoutReport[T any](reports map[string]reported[T], key string) map[string]reported[T] {
	reports = maps.Clone(reports)
	delete(reports, key)
	return reports
}

// withRollout returns a new slice with a rollout added or replaced: readers keep the old one.
func withRollout(all []*Rollout, r *Rollout) []*Rollout {
	all = slices.Clone(all)
	at, found := slices.BinarySearchFunc(all, r.ID, func(x *Rollout, id fleet.RolloutID) int { return cmp.Compare(x.ID, id) })
	if found {
		all[at] = r
		return all
	}
	return slices.Insert(all, at, r)
}
