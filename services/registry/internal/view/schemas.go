package view

import (
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

func (m Member) schemas() string { return roster.SchemasOf(m.Current.Node, m.Current.Session) }

// rename counts that a node of a group names another bundle of schemas than before; empty is none. When the group's bundles change
// by it, that is a change of the group: whoever watches groups, or resumes from before the revision, is told.
func (v *View) rename(group fleet.GroupID, before, after string, revision int64) {
	if before == after {
		return
	}
	counts := v.named[group]
	if counts == nil {
		counts = map[string]int{}
		v.named[group] = counts
	}
	changed := false
	if after != "" {
		counts[after]++
		changed = counts[after] == 1
	}
	if before != "" {
		if counts[before]--; counts[before] == 0 {
			delete(counts, before)
			changed = true
		}
	}
	if len(counts) == 0 {
		delete(v.named, group)
	}
	if changed {
		v.note(roster.Key{Group: group}, revision)
	}
}

// group returns a group with the bundles that its nodes name. v.mu is held.
func (v *View) group(name fleet.GroupID) (Group, bool) {
	g, ok := v.groups[name]
	g.Schemas = slices.Sorted(maps.Keys(v.named[name]))
	return g, ok
}

// Schemas returns the bundles of schemas that the nodes of a group name, sorted.
func (v *View) Schemas(group fleet.GroupID) []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.Sorted(maps.Keys(v.named[group]))
}

// Stored reports whether a bundle of schemas is stored, as far as this replica knows.
func (v *View) Stored(digest string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.bundles[digest]
	return ok
}

// Bundles counts the bundles that are stored.
func (v *View) Bundles() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.bundles)
}

// Unnamed returns the bundles of schemas that no node names, each with the revision at which it was stored, and the revision up to
// which that is known.
func (v *View) Unnamed() (bundles map[string]int64, revision int64) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	bundles = maps.Clone(v.bundles)
	for _, counts := range v.named {
		for digest := range counts {
			delete(bundles, digest)
		}
	}
	return bundles, v.revision
}
