package store

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

// A Group is what the ledger holds of a group. Its parts are shared and must not be modified.
type Group struct {
	Assignment *rollout.Assignment // nil before the first decision
	assignedAt int64               // the etcd revision of the record of the assignment; 0 without one
	Rollouts   []*Rollout          // the oldest first
	Recovery   Recovery            // how the present epoch of the ledger began
	Orders     rollout.Orders      // of operators
	ordersAt   int64               // the etcd revision of the record of orders; 0 without one
	targets    targets.Set         // what gateways are to keep out; see Targets
	targetsAt  int64               // the etcd revision of that record; 0 without one
	Told       event.Told          // what events told of the group
	toldAt     int64               // the etcd revision of that record; 0 without one
	tallies    map[string]reported[rollout.Tally]
	evidence   map[string]reported[rollout.Evidence]
}

// reported is the report of one replica about a rollout.
type reported[T any] struct {
	rollout fleet.RolloutID
	value   T
}

// Newest returns the newest rollout, or nil.
func (g Group) Newest() *Rollout {
	if len(g.Rollouts) == 0 {
		return nil
	}
	return g.Rollouts[len(g.Rollouts)-1]
}

// Tallies returns the tallies of a rollout, one for each replica.
func (g Group) Tallies(id fleet.RolloutID) []rollout.Tally { return reportsOf(g.tallies, id) }

// Evidence returns the evidence about a rollout, one for each replica.
func (g Group) Evidence(id fleet.RolloutID) []rollout.Evidence { return reportsOf(g.evidence, id) }

// reportsOf returns the reports about a rollout, in the order of their keys.
func reportsOf[T any](reports map[string]reported[T], id fleet.RolloutID) (all []T) {
	for _, key := range slices.Sorted(maps.Keys(reports)) {
		if r := reports[key]; r.rollout == id {
			all = append(all, r.value)
		}
	}
	return all
}

func (g Group) isEmpty() bool {
	return g.Assignment == nil && len(g.Rollouts) == 0 && len(g.tallies) == 0 && len(g.evidence) == 0 && g.ordersAt == 0 &&
		g.targetsAt == 0 && g.toldAt == 0
}

// IsTold reports whether the ledger says what events told of the group. A ledger of an older version does not.
func (g Group) IsTold() bool { return g.toldAt != 0 }

// A View is a warm copy of the ledger, by group. It is safe for concurrent use.
type View struct {
	log *slog.Logger

	mu      sync.RWMutex
	etcd    clientv3.KV // nil before Run
	groups  map[fleet.GroupID]Group
	subs    map[*Subscription]struct{}
	listed  map[string]bool
	synced  chan struct{}
	applied int64 // the etcd revision up to which decided/ is complete

	recovery Recovery
	journal  *Journal
}

// NewView returns an empty view.
func NewView(log *slog.Logger) *View {
	return &View{log: log, groups: map[fleet.GroupID]Group{}, subs: map[*Subscription]struct{}{}, listed: map[string]bool{},
		synced: make(chan struct{}), journal: newJournal()}
}

// Journal returns the events of the ledger.
func (v *View) Journal() *Journal { return v.journal }

// Run keeps the view up to date until ctx ends.
func (v *View) Run(ctx context.Context, client *clientv3.Client) error {
	v.mu.Lock()
	v.etcd = client
	v.mu.Unlock()
	return run.All(ctx,
		func(ctx context.Context) error {
			return watchcache.Run(ctx, etcdkv.Watch(client, decidedPrefix), v.apply(decidedPrefix), nil)
		},
		func(ctx context.Context) error {
			return watchcache.Run(ctx, etcdkv.Watch(client, tallyPrefix), v.apply(tallyPrefix), nil)
		},
		func(ctx context.Context) error {
			return watchcache.Run(ctx, etcdkv.Watch(client, evidencePrefix), v.apply(evidencePrefix), nil)
		},
	)
}

// Synced returns a channel that is closed once the first list is complete.
func (v *View) Synced() <-chan struct{} { return v.synced }

// Group returns a group; the zero Group when the ledger has nothing of it.
func (v *View) Group(id fleet.GroupID) Group {
	v.mu.RLock()
	defer v.mu.RUnlock()
	g := v.groups[id]
	g.Recovery = v.recovery
	return g
}

// Groups returns the names of the groups in the ledger, sorted.
func (v *View) Groups() []fleet.GroupID {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.Sorted(maps.Keys(v.groups))
}

// Ledger returns the epoch and the assignments, as far as the view knows.
func (v *View) Ledger() Ledger {
	v.mu.RLock()
	defer v.mu.RUnlock()
	l := Ledger{Recovery: v.recovery, Assignments: map[fleet.GroupID]rollout.Assignment{}}
	for id, g := range v.groups {
		if g.Assignment != nil {
			l.Assignments[id] = *g.Assignment
		}
	}
	return l
}

// Applied returns the etcd revision up to which decisions are in the view.
func (v *View) Applied() int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.applied
}

// apply returns the function that applies changes of one prefix.
func (v *View) apply(prefix string) watchcache.Apply[string, etcdkv.KV] {
	return func(e watchcache.Event[string, etcdkv.KV]) {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, i := range e.Put {
			v.put(i.Value)
		}
		for _, i := range e.Deleted {
			v.remove(i.Key)
		}
		if prefix == decidedPrefix {
			v.applied = max(v.applied, etcdkv.Revision(e.Token))
			v.journal.reach(event.LastUpTo(v.recovery.Epoch, v.recovery.number(v.applied)))
		}
		if v.listed[prefix] = true; v.listed[decidedPrefix] && v.listed[tallyPrefix] && v.listed[evidencePrefix] {
			select {
			case <-v.synced:
			default:
				close(v.synced)
			}
		}
	}
}

// set stores a group and notifies the subscriptions. The caller holds the lock.
func (v *View) set(id fleet.GroupID, g Group) {
	if g.isEmpty() {
		delete(v.groups, id)
	} else {
		v.groups[id] = g
	}
	for s := range v.subs {
		s.ring(id)
	}
}

// put takes one record. A record that cannot be read is left out: it must not hold up the others. The caller holds the lock.
func (v *View) put(kv etcdkv.KV) {
	var err error
	switch {
	case kv.Key == epochKey:
		err = v.putEpoch(kv)
	case kv.Key == trimmedKey:
		err = v.journal.putTrimmed(kv)
	case strings.HasPrefix(kv.Key, eventsPrefix):
		err = v.journal.put(kv)
	default:
		k, names := kindOf(kv.Key)
		if k == nil {
			break
		}
		id := fleet.GroupID(names[0])
		g := v.groups[id]
		err = k.put(&g, names, kv)
		v.set(id, g)
	}
	if err != nil {
		v.log.Error("record left out", "key", etcdkv.Full(v.etcd, kv.Key), telemetry.Err, err)
	}
}

// remove forgets one record. The caller holds the lock.
func (v *View) remove(key string) {
	if key == epochKey {
		v.recover(Recovery{})
	} else if strings.HasPrefix(key, eventsPrefix) {
		v.journal.remove(key)
	} else if k, names := kindOf(key); k != nil {
		id := fleet.GroupID(names[0])
		g := v.groups[id]
		k.remove(&g, names, key)
		v.set(id, g)
	}
}

func (v *View) putEpoch(kv etcdkv.KV) error {
	r, err := decode[Recovery](kv.Value)
	if err == nil {
		r.modRevision = kv.ModRevision
		v.recover(r)
	}
	return err
}

// recover stores the record of the epoch, which concerns every group. The caller holds the lock.
func (v *View) recover(r Recovery) {
	if v.recovery.modRevision == r.modRevision {
		return
	}
	v.recovery = r
	for id := range v.groups {
		for s := range v.subs {
			s.ring(id)
		}
	}
}
