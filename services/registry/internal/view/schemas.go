package view

import (
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// maxNames bounds how many nodes of a bundle are named.
const maxNames = 5

// Schemas is a bundle of schemas in a group.
type Schemas struct {
	Digest string
	Counts bool // its refusals are enforced
	Nodes  int  // that report it
	Names  []fleet.NodeID
}

// groupSchemas holds which nodes of a group report which bundle of schemas.
type groupSchemas struct {
	backing roster.Backing
	behind  map[string]map[fleet.NodeID]struct{}
}

// vote returns the vote of a node; nil means none.
func (m Member) vote() *roster.Vote {
	if v, ok := roster.VoteOf(m.Current.Node, m.Current.Session); ok {
		return &v
	}
	return nil
}

// recount replaces the vote of a node; nil means none. If that changes the bundles of the group or their nodes, the group counts as changed
// for watches.
func (v *View) recount(key roster.Key, before, after *roster.Vote, revision int64) {
	if before == after || before != nil && after != nil && *before == *after {
		return
	}
	s := v.groupSchemas[key.Group]
	if s == nil {
		s = &groupSchemas{behind: map[string]map[fleet.NodeID]struct{}{}}
		v.groupSchemas[key.Group] = s
	}
	backed, changed := s.backing.Backed(), false
	if before != nil {
		s.backing.Add(*before, -1)
		changed = s.leave(before.Schemas, key.Node)
	}
	if after != nil {
		s.backing.Add(*after, 1)
		changed = s.join(after.Schemas, key.Node) || changed
	}
	if s.backing.Empty() {
		delete(v.groupSchemas, key.Group)
	}
	if changed || !maps.Equal(backed, s.backing.Backed()) {
		v.note(store.GroupKind, roster.Key{Group: key.Group}, revision)
	}
}

// leave and join report whether the named nodes of a bundle may have changed.
func (s *groupSchemas) leave(digest string, node fleet.NodeID) bool {
	if digest == "" {
		return false
	}
	few := len(s.behind[digest]) <= maxNames
	delete(s.behind[digest], node)
	if len(s.behind[digest]) == 0 {
		delete(s.behind, digest)
	}
	return few
}

func (s *groupSchemas) join(digest string, node fleet.NodeID) bool {
	if digest == "" {
		return false
	}
	if s.behind[digest] == nil {
		s.behind[digest] = map[fleet.NodeID]struct{}{}
	}
	s.behind[digest][node] = struct{}{}
	return len(s.behind[digest]) <= maxNames
}

// group returns a group with its bundles. v.mu is held.
func (v *View) group(name fleet.GroupID) (Group, bool) {
	g, ok := v.groups[name]
	g.Schemas = v.schemas(name, g.Trusted)
	return g, ok
}

func (v *View) schemas(group fleet.GroupID, trusted []string) []Schemas {
	s := v.groupSchemas[group]
	if s == nil {
		return nil
	}
	var all []Schemas
	for _, digest := range s.backing.Digests() {
		names := slices.Sorted(maps.Keys(s.behind[digest]))
		all = append(all, Schemas{
			Digest: digest, Counts: s.backing.Counts(digest) || slices.Contains(trusted, digest), Nodes: len(names),
			Names: names[:min(len(names), maxNames)],
		})
	}
	return all
}

// Schemas returns the bundles of a group, sorted. trusted are those that an operator trusts.
func (v *View) Schemas(group fleet.GroupID, trusted []string) []Schemas {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.schemas(group, trusted)
}

// Stored reports whether this replica knows a bundle to be stored.
func (v *View) Stored(digest string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.bundles[digest]
	return ok
}

// Bundles returns the stored bundles with the nodes that uploaded them; the zero key means unknown.
func (v *View) Bundles() map[string]roster.Key {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make(map[string]roster.Key, len(v.bundles))
	for digest := range v.bundles {
		all[digest] = v.uploaders[digest]
	}
	return all
}

// Unnamed returns the bundles that no node reports, with the revisions at which they were stored, and the revision of the view.
func (v *View) Unnamed() (bundles map[string]int64, revision int64) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	bundles = maps.Clone(v.bundles)
	for _, s := range v.groupSchemas {
		for digest := range s.behind {
			delete(bundles, digest)
		}
	}
	return bundles, v.revision
}
