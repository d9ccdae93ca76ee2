package distributor

import (
	"context"
	"sync"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

// Targets implements api.Targets.
func (l ledger) Targets(id fleet.GroupID) targets.Set { return l.d.view.Group(id).Targets() }

// Upstreams implements api.Targets.
func (l ledger) Upstreams(ctx context.Context, id fleet.GroupID) (use []target.Upstreams, unknown string) {
	a := l.d.view.Group(id).Assignment
	if a == nil {
		return nil, "no revision is rolled out yet"
	}
	seen := map[fleet.Digest]bool{"": true}
	digests := []fleet.Digest{a.Stable.Digest, a.Candidate.Digest}
	for _, h := range a.Held {
		digests = append(digests, h.Target.Digest)
	}
	for _, digest := range digests {
		if seen[digest] {
			continue
		}
		seen[digest] = true
		upstreams, err := l.d.upstreams.read(ctx, digest)
		if err != nil {
			l.d.deps.Log.Warn("upstreams of a revision cannot be read", telemetry.Group, id, telemetry.Digest, digest.Short(), telemetry.Err, err)
			return nil, "the content of a revision cannot be read now"
		}
		use = append(use, upstreams)
	}
	return use, ""
}

// ChangeTargets implements api.Targets.
func (l ledger) ChangeTargets(ctx context.Context, id fleet.GroupID, by targets.Change, change targets.Changer) (targets.Set,
	error) {
	set, err := store.ChangeTargets(ctx, l.d.deps.Etcd, id, by, change)
	if err != nil {
		if err = etcdkv.Fault(err); fault.KindOf(err) == fault.Internal {
			err = fault.NoLedger(err)
		}
		return set, err
	}
	set.Stamp.Epoch = l.d.view.Group(id).Recovery.Epoch
	l.d.deps.Log.Info("drained targets", telemetry.Group, id, "targets", set.Size())
	return set, nil
}

// upstreamsCached bounds the snapshots whose upstreams are remembered.
const upstreamsCached = 32

// upstreamsOf reads the upstreams of snapshots, and remembers those of the last ones. It is safe for concurrent use.
type upstreamsOf struct {
	content *content.Store

	mu    sync.Mutex
	known map[fleet.Digest]target.Upstreams
}

func (u *upstreamsOf) read(ctx context.Context, digest fleet.Digest) (target.Upstreams, error) {
	u.mu.Lock()
	known, ok := u.known[digest]
	u.mu.Unlock()
	if ok {
		return known, nil
	}
	canonical, err := u.content.Read(ctx, digest)
	if err != nil {
		return nil, err
	}
	read, err := target.Read(canonical)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = map[fleet.Digest]target.Upstreams{}
	}
	if len(u.known) >= upstreamsCached {
		for old := range u.known {
			delete(u.known, old)
			break
		}
	}
	u.known[digest] = read
	return read, nil
}
