package view

import (
	"context"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// Group returns a group.
func (v *View) Group(name fleet.GroupID) (Group, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.group(name)
}

// Groups returns up to limit groups after a name, by name, and whether there are more.
func (v *View) Groups(after fleet.GroupID, limit int) ([]Group, bool) {
	v.mu.RLock()
	var all []Group
	for name := range v.groups {
		if name > after {
			g, _ := v.group(name)
			all = append(all, g)
		}
	}
	v.mu.RUnlock()
	slices.SortFunc(all, func(a, b Group) int { return strings.Compare(string(a.Name), string(b.Name)) })
	if len(all) > limit {
		return all[:limit], true
	}
	return all, false
}

// Current returns what this replica knows of a node: a guess for store.Change.
func (v *View) Current(key roster.Key) store.Current {
	v.mu.RLock()
	defer v.mu.RUnlock()
	current := v.members[key].Current
	_, current.Group = v.groups[key.Group]
	return current
}

// Member returns a node.
func (v *View) Member(key roster.Key) (Member, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	m := v.members[key]
	return m, m.Current.Node != nil
}

// Members returns the nodes that keep accepts, by group and name. keep is called under a lock and must not block.
func (v *View) Members(keep func(Member) bool) []Member {
	v.mu.RLock()
	var all []Member
	for _, m := range v.members {
		if m.Current.Node != nil && keep(m) {
			all = append(all, m)
		}
	}
	v.mu.RUnlock()
	slices.SortFunc(all, func(a, b Member) int { return a.Key.Compare(b.Key) })
	return all
}

// Revocations returns up to limit revocations after one, nodes before users, and whether there are more. The zero key is before all.
func (v *View) Revocations(after roster.Key, limit int) ([]Revocation, bool) {
	v.mu.RLock()
	var all []Revocation
	for key, r := range v.revocations {
		if after == (roster.Key{}) || compareRevoked(after, key) < 0 {
			all = append(all, r)
		}
	}
	v.mu.RUnlock()
	slices.SortFunc(all, func(a, b Revocation) int { return compareRevoked(a.Key, b.Key) })
	if len(all) > limit {
		return all[:limit], true
	}
	return all, false
}

// compareRevoked orders revocations; those of users, who have no group, come last.
func compareRevoked(a, b roster.Key) int {
	if (a.Group == "") != (b.Group == "") {
		return -a.Compare(b)
	}
	return a.Compare(b)
}

// Await waits until the view is complete up to a revision, so that callers read their own writes and watches never go back. It reports
// false when ctx ends first.
func (v *View) Await(ctx context.Context, revision int64) bool {
	ask := time.NewTicker(100 * time.Millisecond)
	defer ask.Stop()
	for {
		v.mu.RLock()
		done, moved := v.revision >= revision, v.moved
		v.mu.RUnlock()
		if done {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-moved:
		case <-ask.C:
			// etcd reports revisions without changes here only on request. The view's watch requires a leader, and only a request that does too
			// reaches its stream.
			_ = v.client.RequestProgress(clientv3.WithRequireLeader(ctx))
		}
	}
}
