package controller

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// tell returns what is to be told of a group as the other services show it, and when to ask again; 0 is only after a change. A ledger that
// an older version began gets a record of what is so, and no events of what was so before.
func (s *groupState) tell(now time.Time, id fleet.GroupID, was store.Group, seen event.Seen) (n store.News, wait time.Duration) {
	seen.Drifted, wait = s.drifts.Settle(now, was.Told.Drifted, seen.Drifted)
	told, events := event.Tell(now.UTC(), id, was.Told, seen)
	if told.Equal(was.Told) && (was.IsTold() || seen.Head.IsZero()) {
		return store.News{}, wait
	}
	if !was.IsTold() && was.Newest() != nil {
		events = nil
	}
	return store.News{Told: &told, Events: events}, wait
}

// EventAge is how long events are kept at most.
const EventAge = 30 * 24 * time.Hour

const (
	trimInterval = 10 * time.Second
	trimTimeout  = time.Minute
)

// trim deletes old events, again and again, until ctx ends. Ages are by the clocks of leaders; one that is wrong deletes too early or too
// late, and never what is not the oldest.
func (l *leadership) trim(ctx context.Context) {
	for backoff.Sleep(ctx, backoff.Jitter(trimInterval, collectJitter)) == nil {
		oldest := l.View.Journal().Read().Excess(l.KeepEvents, time.Now().Add(-EventAge))
		trimCtx, cancel := context.WithTimeout(ctx, trimTimeout)
		err := store.Trim(trimCtx, l.Etcd, l.fence, oldest)
		cancel()
		if err != nil && ctx.Err() == nil {
			l.Log.Warn("old events not deleted; trying again later", telemetry.Err, err)
		}
	}
}
