package desired

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

const (
	// minAge is how long a revision is kept at least after the next one took its place, in a group that does not have the most already.
	minAge = fleet.MinKeepAge
	// burstAge is the same for a group that has the most. A decision of the leader that is under way may name a revision that was the newest
	// when it began.
	burstAge = time.Minute
	// rounds bounds how often the revisions of a group are looked through while it changes.
	rounds = 10
)

// InUse is what the distributor's ledger names of a group.
type InUse struct {
	Group     fleet.GroupID
	Revisions []fleet.Revision
	Digests   []fleet.Digest
	// KeepRevisions is how many revisions of the group are kept at least.
	KeepRevisions int
	// KeepAge is how long a revision is kept after the next one took its place.
	KeepAge time.Duration
}

// Collection is a request to delete old revisions and the content that nothing names any more.
type Collection struct {
	// Groups are those that the distributor has an assignment for. Revisions of other groups are all kept.
	Groups []InUse
	// Before is the etcd revision at which that was read.
	Before int64
}

// Collected is what a collection deleted.
type Collected struct {
	Revisions int
	Kept      int // revisions of the groups of the collection
	Swept
}

// A Turn is the right to delete, until another collection takes it.
type Turn int64

// Swept is how much content was deleted.
type Swept struct {
	Fragments, Manifests, Chunks int
}

// History is all revisions of a group, the newest first.
type History struct {
	State
	Revisions []Past
	Read      int64 // the etcd revision at which it was read
}

// Past is a revision in a history.
type Past struct {
	Number     fleet.Revision
	CreateTime time.Time
	Written    int64 // the etcd revision of its commit
}

// Collect deletes revisions that expired, then content that nothing names. It may be repeated and be late: what it deletes was out of use
// when Before was read, and nothing puts such a revision back in use. One with a later Before ends it, in whichever replica it runs.
func (d *Service) Collect(ctx context.Context, c Collection) (Collected, error) {
	var all Collected
	for _, g := range c.Groups {
		if g.KeepRevisions < 1 || g.KeepAge < 0 {
			return all, fault.InvalidFields(fault.Violation{Field: "keep_revisions", Description: "keeps one at least, for no negative time"})
		}
	}
	if !d.collecting.TryLock() {
		return all, fault.New(fault.Busy, "COLLECTING", "a collection is under way in this replica")
	}
	defer d.collecting.Unlock()
	turn, err := d.Ledger.TakeTurn(ctx, c.Before)
	if err != nil {
		return all, err
	}
	var inUse []fleet.Digest
	for _, g := range c.Groups {
		inUse = append(inUse, g.Digests...)
		deleted, kept, err := d.collectRevisions(ctx, turn, c, g)
		all.Revisions += deleted
		all.Kept += kept
		d.Metrics.collected("revision", deleted)
		if err != nil {
			return all, err
		}
	}
	all.Swept, err = d.Ledger.Sweep(ctx, turn, inUse)
	d.Metrics.collected("fragment", all.Fragments)
	d.Metrics.collected("manifest", all.Manifests)
	d.Metrics.collected("chunk", all.Chunks)
	if err != nil {
		return all, fmt.Errorf("sweep content: %w", err)
	}
	if all.Revisions > 0 || all.Swept != (Swept{}) {
		d.Log.Info("old revisions and content collected", "revisions", all.Revisions, "kept", all.Kept, "fragments", all.Fragments, "manifests",
			all.Manifests, "chunks", all.Chunks)
	}
	return all, nil
}

// collectRevisions deletes the revisions of a group that expired. When the group changed after it was read, as busy ones do all the time,
// it is read again: a pin may name more. The next collection deletes what is left after some rounds.
func (d *Service) collectRevisions(ctx context.Context, turn Turn, c Collection, g InUse) (deleted, kept int, err error) {
	for range rounds {
		history, err := d.Ledger.History(ctx, g.Group)
		if err != nil {
			return deleted, kept, fmt.Errorf("read the history of group %s: %w", g.Group, err)
		}
		if history.Read < c.Before {
			return deleted, kept, fault.New(fault.WrongState, "OTHER_LEDGER", "the list of revisions in use is of etcd revision %d and the ledger "+
				"is at %d: translator and distributor do not use the same etcd, or it was restored", c.Before, history.Read)
		}
		old := c.expired(d.Now(), g, history)
		n, err := d.Ledger.DeleteRevisions(ctx, turn, g.Group, history.HeadVersion, old)
		deleted += n
		kept = len(history.Revisions) - n
		if err != nil || n == len(old) {
			return deleted, kept, err
		}
	}
	return deleted, kept, nil
}

// expired returns the revisions of a group to delete. Only revisions that were committed before the list of those in use was read count: a
// newer one may be in use by now. The head, and what is in use or named by a pin, never expires.
func (c *Collection) expired(now time.Time, g InUse, h History) (old []fleet.Revision) {
	if h.Head == nil {
		return nil
	}
	named := map[fleet.Revision]bool{h.Head.Number: true}
	for _, n := range g.Revisions {
		named[n] = true
	}
	for _, s := range h.Sources {
		named[s.Revision] = true
		if s.Pin != nil {
			named[s.Pin.Good], named[s.Pin.Refused] = true, true
		}
	}
	newer := 0 // that were committed before the list was read
	var next time.Time
	for _, r := range h.Revisions {
		known := r.Written <= c.Before
		age := max(g.KeepAge, minAge)
		if newer >= fleet.MostKept*g.KeepRevisions {
			age = burstAge
		}
		if known && newer >= g.KeepRevisions && !named[r.Number] && now.Sub(next) >= age {
			old = append(old, r.Number)
		}
		if known {
			newer++
		}
		next = r.CreateTime
	}
	return old
}
