package registry

import (
	"context"
	"maps"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// forgetLost forgets nodes that have been unreachable for long. absences is when this replica first saw each of them unreachable; it is
// updated. A replica that restarts counts anew, since it cannot know who was there in the meantime. Revocations stay.
func (s *Service) forgetLost(ctx context.Context, now time.Time, absences map[roster.Key]time.Time) {
	if s.config.ForgetUnreachableAfter == 0 {
		return
	}
	unreachable := s.view.Members(func(m view.Member) bool { return m.Current.Node != nil && m.State() == roster.Unreachable })
	still := make(map[roster.Key]bool, len(unreachable))
	var changes []store.Change
	var lost []roster.Key
	for _, m := range unreachable {
		still[m.Key] = true
		absent, seen := absences[m.Key]
		if !seen || m.Current.Node.Ended.After(absent) || m.Current.Node.Created.After(absent) {
			absent = now // first seen, or reachable in between
			absences[m.Key] = absent
		}
		old := func(n *roster.Node, open *roster.Session) bool {
			return n != nil && roster.Lost(*n, open, absent, now, s.config.ForgetUnreachableAfter)
		}
		if !old(m.Current.Node, m.Current.Session) {
			continue
		}
		lost = append(lost, m.Key)
		changes = append(changes, store.Change{Key: m.Key, Guess: m.Current, Decide: func(c store.Current) (store.Write, error) {
			return store.Write{DeleteNode: old(c.Node, c.Session)}, nil
		}})
	}
	maps.DeleteFunc(absences, func(key roster.Key, _ time.Time) bool { return !still[key] })
	if len(changes) == 0 {
		return
	}
	if _, err := s.store.Commit(ctx, clientv3.NoLease, changes); err != nil {
		if ctx.Err() == nil {
			s.log.Warn("unreachable nodes not forgotten yet", "error", err)
		}
		return
	}
	for _, key := range lost {
		s.log.Info("unreachable node forgotten", telemetry.Group, key.Group, telemetry.Node, key.Node, "after", s.config.ForgetUnreachableAfter)
	}
}
