package view

import (
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// maxNames is how many of the nodes behind a bundle are named.
const maxNames = 5

// Schemas is a bundle of schemas as a group has it.
type Schemas struct {
	Digest string
	Counts bool // what it refuses is refused
	Nodes  int  // how many name it
	Names  []fleet.NodeID
}

// groupSchemas is which nodes of a group name which bundle of schemas.
type groupSchemas struct {
	backing roster.Backing
	behind  map[string]map[fleet.NodeID]struct{}
}

// vote is what a node says of its gateway; nil when it says nothing, or is not there.
func (m Member) vote() *roster.Vote {
	if v, ok := roster.VoteOf(m.Current.Node, m.Current.Session); ok {
		return &v
	}
	return nil
}

// recount counts that a node says something else than before; nil is nothing. When the group's bundles, or who stands behind them, change
// by it, that is a change of the group: whoever watches groups, or resumes from before the revision, is told.
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

// leave and join report whether the names that are told of a bundle may have changed.
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

// group returns a group with the bundles that its nodes name. v.mu is held.
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

// Schemas returns the bundles of schemas that the nodes of a group name, sorted, when an operator trusts some of them.
func (v *View) Schemas(group fleet.GroupID, trusted []string) []Schemas {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.schemas(group, trusted)
}

// Stored reports whether a bundle of schemas is stored, as far as this replica knows.
func (v *View) Stored(digest string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.bundles[digest]
	return ok
}

// Bundles returns the bundles that are stored, with the nodes that uploaded them; a key without a node is one that nobody knows of.
func (v *View) Bundles() map[string]roster.Key {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make(map[string]roster.Key, len(v.bundles))
	for digest := range v.bundles {
		all[digest] = v.uploaders[digest]
	}
	return all
}

// Unnamed returns the bundles of schemas that no node names, each with the revision at which it was stored, and the revision up to
// which that is known.
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
