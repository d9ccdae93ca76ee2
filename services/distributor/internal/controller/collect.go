package controller

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// Retention is which revisions the leader has the translator keep.
type Retention struct {
	Interval  time.Duration // how often the others are collected; 0: never
	Pause     time.Duration // the least time between two collections
	Revisions int           // of a group that are kept at least, when its policy says nothing else
	Age       time.Duration // how long a revision is kept after the next one took its place; likewise
}

const (
	collectTimeout = 10 * time.Minute
	collectJitter  = 0.5
)

// collect has the translator delete old revisions until ctx ends: at intervals, and earlier when a group changes so often that it would
// have far more than the most by then.
func (l *leadership) collect(ctx context.Context) {
	if l.Retention.Interval <= 0 {
		return
	}
	last := l.Cache.targets()
	for {
		interval, cancel := context.WithTimeout(ctx, backoff.Jitter(l.Retention.Interval, collectJitter))
		l.crowded(interval, last)
		cancel()
		if ctx.Err() != nil {
			return
		}
		last = l.Cache.targets()
		err := l.collectOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		l.Metrics.collected(err)
		if err != nil {
			l.Log.Warn("old revisions not collected; trying again later", telemetry.Err, rpc.Why(err))
		}
		if backoff.Sleep(ctx, l.Retention.Pause) != nil {
			return
		}
	}
}

// crowded returns when a group has changed so often since the last collection that another one is due, or with ctx.
func (l *leadership) crowded(ctx context.Context, last map[fleet.GroupID]rollout.Target) {
	for {
		changes := l.Cache.revisions.Changes()
		if crowded(l.Retention, last, l.Cache.targets(), l.Cache.groups.All()) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		}
	}
}

// crowded reports whether any group has come by as many revisions since the last collection as it keeps at most.
func crowded(r Retention, last, now map[fleet.GroupID]rollout.Target, policies map[fleet.GroupID]rollout.Policy) bool {
	for group, newest := range now {
		keep := r.Revisions
		if n := policies[group].KeepRevisions; n != nil {
			keep = *n
		}
		if newest.Revision-last[group].Revision >= fleet.Revision(fleet.MostKept*keep) {
			return true
		}
	}
	return false
}

// collectOnce names what is in use to the translator, which deletes what is old and not named. One that is no leader any more asks for
// nothing. One that is replaced after that does no harm: what was out of use when the ledger was read stays so, and the next leader's
// collection ends its own.
func (l *leadership) collectOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	// A decision under way may name what was the newest revision when it began. This is read before the ledger, which has the decisions that
	// were written since.
	newest := l.Cache.targets()
	groups, at, unread, err := store.ReadInUse(ctx, l.Etcd)
	if err != nil {
		return err
	}
	if len(unread) > 0 {
		// Their digests could not be named either, so nothing is collected.
		return fault.New(fault.WrongState, "LEDGER_UNREADABLE", "the records of these groups cannot be read: %v", unread)
	}
	if _, err := l.fence.Commit(ctx, l.Etcd, nil); err != nil {
		return err // another replica leads, and knows what this one does not
	}
	if !l.Cache.groups.Current() {
		return fault.New(fault.Down, "REGISTRY_DOWN", "the policies of groups may have changed: the registry does not answer")
	}
	if len(groups) == 0 {
		return nil
	}
	for i, g := range groups {
		if t := newest[g.Group]; !t.IsZero() {
			groups[i].Revisions, groups[i].Digests = append(g.Revisions, t.Revision), append(g.Digests, t.Digest)
		}
	}
	answer, err := l.Translator.CollectRevisions(ctx, collection(l.Retention, groups, l.Cache.groups.All(), at))
	if err != nil {
		return fmt.Errorf("collect revisions: %w", err)
	}
	l.Metrics.kept.Set(float64(answer.GetKeptRevisions()))
	return nil
}

// collection asks for a collection of what is not in use, by the policy of each group. What it does not say, and all of a group that the
// registry does not have, is as the leader was started. At is when the ledger was read.
func collection(r Retention, groups []store.InUse, policies map[fleet.GroupID]rollout.Policy, at int64,
) *translatorv1.CollectRevisionsRequest {
	q := &translatorv1.CollectRevisionsRequest{LedgerRevision: at, KeepRevisions: int32(r.Revisions), KeepAge: durationpb.New(r.Age)}
	for _, g := range groups {
		inUse := &translatorv1.RevisionsInUse{Group: string(g.Group)}
		for _, n := range g.Revisions {
			inUse.Revisions = append(inUse.Revisions, int64(n))
		}
		for _, d := range g.Digests {
			inUse.Digests = append(inUse.Digests, string(d))
		}
		policy := policies[g.Group]
		if policy.KeepRevisions != nil {
			inUse.KeepRevisions = int32(*policy.KeepRevisions)
		}
		if policy.KeepAge != nil {
			inUse.KeepAge = durationpb.New(*policy.KeepAge)
		}
		q.Groups = append(q.Groups, inUse)
	}
	return q
}
