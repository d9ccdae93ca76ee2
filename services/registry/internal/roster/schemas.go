package roster

import (
	"maps"
	"slices"
)

// MaxTrusted is how many bundles an operator may trust in one group.
const MaxTrusted = 16

// A Vote is what a node reports of its gateway: Kong's version and the digest of its bundle of schemas; empty means none.
type Vote struct{ KongVersion, Schemas string }

// VoteOf returns the vote of a node; false without a node, or when it is gone. The last vote of an unreachable node counts, since the node
// returns with it.
func VoteOf(n *Node, s *Session) (Vote, bool) {
	if n == nil || StateOf(*n, s) == Gone {
		return Vote{}, false
	}
	return Vote{n.KongVersion, n.Schemas}, true
}

// SchemasOf returns the digest of a node's bundle of schemas; empty when there is no node, when it is gone, and when its agent reports
// none.
func SchemasOf(n *Node, s *Session) string {
	v, _ := VoteOf(n, s)
	return v.Schemas
}

// A Backing counts the votes of a group. The zero Backing is that of a group without nodes.
type Backing struct {
	votes    map[Vote]int
	versions map[string]int
	nodes    int
}

// Add counts a vote n times more, or less.
func (b *Backing) Add(v Vote, n int) {
	if b.votes == nil {
		b.votes, b.versions = map[Vote]int{}, map[string]int{}
	}
	b.nodes += n
	if b.votes[v] += n; b.votes[v] == 0 {
		delete(b.votes, v)
	}
	if b.versions[v.KongVersion] += n; b.versions[v.KongVersion] == 0 {
		delete(b.versions, v.KongVersion)
	}
}

// Counts reports whether a bundle is enforced: more than half of the nodes of one version of Kong report it, and at least two nodes do,
// unless the group has one only. Otherwise a node with a version of its own could speak for the group.
func (b *Backing) Counts(digest string) bool {
	for v, n := range b.votes {
		if v.Schemas == digest && 2*n > b.versions[v.KongVersion] && (n > 1 || b.nodes == 1) {
			return true
		}
	}
	return false
}

// Backed returns the reported bundles, each with whether it counts.
func (b *Backing) Backed() map[string]bool {
	all := map[string]bool{}
	for v := range b.votes {
		if v.Schemas != "" {
			all[v.Schemas] = b.Counts(v.Schemas)
		}
	}
	return all
}

// Empty reports whether there is no vote.
func (b *Backing) Empty() bool { return b.nodes == 0 }

// Digests returns the reported bundles, sorted.
func (b *Backing) Digests() []string { return slices.Sorted(maps.Keys(b.Backed())) }
