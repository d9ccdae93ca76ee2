// Package view is a replica's copy of the ledger. It answers lists and feeds watches. It knows up to which revision it is complete. It
// delivers state, not history: a slow watcher skips steps and delays nobody.
package view

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/revocation"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// never is later than the issue of any certificate.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// historySize is how many changes a watch may have missed and still resume without a full list.
const historySize = 10_000

// A Group is a group with its revision and the bundles of schemas that its nodes report, sorted.
type Group struct {
	roster.Group
	Revision int64
	Schemas  []Schemas
}

// A Member is a node. Last is its last report in a session that ended, if this replica saw that.
type Member struct {
	Key     roster.Key
	Current store.Current
	Last    roster.Report
	endedAt time.Time
}

// State is the state of the member.
func (m Member) State() roster.State { return roster.StateOf(*m.Current.Node, m.Current.Session) }

// StateTime is when the state began.
func (m Member) StateTime() time.Time {
	if m.Current.Session == nil && m.endedAt.After(m.Current.Node.Ended) {
		return m.endedAt
	}
	return roster.StateTime(*m.Current.Node, m.Current.Session)
}

// Report returns the last report of the node.
func (m Member) Report() roster.Report {
	switch {
	case m.Current.Session != nil:
		return m.Current.Session.Report
	case !m.Last.Empty():
		return m.Last
	}
	return m.Current.Node.Last
}

// An Observer gets every begin, change and end of a session, in order; before or after is nil when there is none. It must not block.
type Observer interface {
	SessionChanged(key roster.Key, before, after *roster.Session, revision int64)
}

// A Revocation is one in force, with its revision.
type Revocation struct {
	roster.Revocation
	Key      roster.Key
	Revision int64
}

// A Revoked gets every revocation in force, then Complete, then the changes. It must not block.
type Revoked interface {
	Put(who revocation.Subject, until time.Time)
	Remove(who revocation.Subject)
	Complete()
}

// An item is something to watch: a group, a node with its session, or a revocation.
type item struct {
	kind store.Kind
	key  roster.Key
}

type change struct {
	revision int64
	item     item
}

// A View is the copy. It is safe for concurrent use.
type View struct {
	client   *clientv3.Client
	log      *slog.Logger
	observer Observer
	revoked  Revoked

	mu           sync.RWMutex
	groups       map[fleet.GroupID]Group
	members      map[roster.Key]Member
	revocations  map[roster.Key]Revocation       // of certificates
	groupSchemas map[fleet.GroupID]*groupSchemas // which nodes report which bundle
	bundles      map[string]int64                // stored bundles and their revisions
	uploaders    map[string]roster.Key           // of bundles
	revision     int64                           // complete up to here
	base         int64                           // the history holds every change after this
	history      []change
	watchers     map[*Watcher]struct{}
	synced       chan struct{}
	moved        chan struct{} // closed when the revision moves
}

// New returns an empty view; Run fills it.
func New(client *clientv3.Client, log *slog.Logger, observer Observer, revoked Revoked) *View {
	return &View{
		client: client, log: log, observer: observer, revoked: revoked,
		groups: map[fleet.GroupID]Group{}, members: map[roster.Key]Member{}, revocations: map[roster.Key]Revocation{},
		watchers:     map[*Watcher]struct{}{},
		groupSchemas: map[fleet.GroupID]*groupSchemas{}, bundles: map[string]int64{}, uploaders: map[string]roster.Key{},
		synced: make(chan struct{}), moved: make(chan struct{}),
	}
}

// Run keeps the view up to date until ctx ends.
func (v *View) Run(ctx context.Context) error {
	return watchcache.Run(ctx, etcdkv.Watch(v.client, store.Prefix), v.apply, nil)
}

// Synced is closed once the view holds what was there at the start.
func (v *View) Synced() <-chan struct{} { return v.synced }

// apply takes changes. A later list counts as the changes it contains, so that watchers need not start over.
func (v *View) apply(e watchcache.Event[string, etcdkv.KV]) {
	revision := etcdkv.Revision(e.Token)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, i := range e.Put {
		v.put(i.Value, i.Version)
	}
	for _, i := range e.Deleted {
		if digest, ok := store.ParseSchemas(i.Key); ok {
			delete(v.bundles, digest)
			continue
		}
		if digest, ok := store.ParseUploader(i.Key); ok {
			delete(v.uploaders, digest)
			continue
		}
		kind, key := store.Parse(i.Key)
		v.remove(kind, key, cmp.Or(i.Version, revision))
	}
	if v.base == 0 {
		v.base = revision
		v.revoked.Complete()
		close(v.synced)
	}
	// Not the revision of the last change: the same transaction may have more changes to come.
	v.advance(revision)
}

func (v *View) put(kv etcdkv.KV, revision int64) {
	if digest, ok := store.ParseSchemas(kv.Key); ok {
		v.bundles[digest] = kv.ModRevision
		return
	}
	if digest, ok := store.ParseUploader(kv.Key); ok {
		if key := decode[roster.Key](v, kv); key != nil {
			v.uploaders[digest] = *key
		}
		return
	}
	kind, key := store.Parse(kv.Key)
	switch kind {
	case store.GroupKind:
		g := decode[roster.Group](v, kv)
		if g == nil {
			return
		}
		v.groups[key.Group] = Group{Group: *g, Revision: kv.ModRevision}
	case store.NodeKind:
		n := decode[roster.Node](v, kv)
		if n == nil {
			return
		}
		v.change(key, revision, func(m *Member) { m.Current.Node, m.Current.NodeRev = n, kv.ModRevision })
	case store.SessionKind:
		s := decode[roster.Session](v, kv)
		if s == nil {
			return
		}
		before := v.members[key].Current.Session
		v.change(key, revision, func(m *Member) {
			m.Current.Session, m.Current.SessionRev = s, kv.ModRevision
			m.Last, m.endedAt = roster.Report{}, time.Time{}
		})
		v.observer.SessionChanged(key, before, s, kv.ModRevision)
	case store.RevocationKind:
		r, err := store.Decode[roster.Revocation](kv.Value)
		if err != nil {
			// An unreadable revocation still refuses.
			v.log.Error("revocation cannot be read; every certificate of its identity is refused", "key", etcdkv.Full(v.client, kv.Key), "error",
				err)
			r = &roster.Revocation{Until: never}
		}
		v.revocations[key] = Revocation{Revocation: *r, Key: key, Revision: kv.ModRevision}
		v.revoked.Put(key.Revoked(), r.Until)
	default:
		return
	}
	v.note(kind, key, revision)
}

// decode reads a record; nil for one that cannot be read.
func decode[T any](v *View, kv etcdkv.KV) *T {
	record, err := store.Decode[T](kv.Value)
	if err != nil {
		v.log.Error("record left out", "key", etcdkv.Full(v.client, kv.Key), "error", err)
		return nil
	}
	return record
}

// change changes a member and counts its vote anew. A member without record and session is gone.
func (v *View) change(key roster.Key, revision int64, do func(*Member)) {
	m := v.members[key]
	vote := m.vote()
	m.Key = key
	do(&m)
	v.members[key] = m
	v.recount(key, vote, m.vote(), revision)
	if m.Current.Node == nil && m.Current.Session == nil {
		delete(v.members, key)
	}
}

func (v *View) remove(kind store.Kind, key roster.Key, revision int64) {
	switch kind {
	case store.GroupKind:
		delete(v.groups, key.Group)
	case store.NodeKind, store.SessionKind:
		if _, ok := v.members[key]; !ok {
			return
		}
		v.change(key, revision, func(m *Member) {
			if kind == store.NodeKind {
				m.Current.Node, m.Current.NodeRev = nil, 0
			} else if before := m.Current.Session; before != nil {
				m.Last, m.endedAt = before.Report, time.Now()
				m.Current.Session, m.Current.SessionRev = nil, 0
				v.observer.SessionChanged(key, before, nil, revision)
			}
		})
	case store.RevocationKind:
		delete(v.revocations, key)
		v.revoked.Remove(key.Revoked())
	default:
		return
	}
	v.note(kind, key, revision)
}

// note adds a change to the history and marks it for the watchers.
func (v *View) note(kind store.Kind, key roster.Key, revision int64) {
	if v.base == 0 {
		return
	}
	what := item{kind: kind, key: key}
	if kind == store.SessionKind {
		what.kind = store.NodeKind
	}
	v.history = append(v.history, change{revision: revision, item: what})
	if drop := len(v.history) - historySize; drop >= historySize/4 {
		v.base = v.history[drop-1].revision
		v.history = append([]change(nil), v.history[drop:]...)
	}
	for w := range v.watchers {
		w.mark(what)
	}
}

func (v *View) advance(revision int64) {
	if revision > v.revision {
		v.revision = revision
		close(v.moved)
		v.moved = make(chan struct{})
	}
}
