package roster

import (
	"maps"
	"slices"
)

// MaxTrusted is how many bundles an operator may trust in one group.
const MaxTrusted = 16

// A Vote is what a node says of its gateway: the version of Kong, and the digest of the bundle of schemas, empty when it names none.
type Vote struct{ KongVersion, Schemas string }

// VoteOf is the vote of a node; false when there is no node, and when it is gone. What a node of which nothing is heard said last still
// counts: it comes back with it.
func VoteOf(n *Node, s *Session) (Vote, bool) {
	if n == nil || StateOf(*n, s) == Gone {
		return Vote{}, false
	}
	return Vote{n.KongVersion, n.Schemas}, true
}

// SchemasOf is the digest of the bundle of schemas that a node has; empty when there is no node, when it is gone, and when its agent
// names none.
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

// Counts reports whether the nodes stand behind a bundle: more than half of those of one version of Kong name it, and one alone is enough
// only where it is the whole group. A version that no other node has would else be a way for one node to speak for the group.
func (b *Backing) Counts(digest string) bool {
	for v, n := range b.votes {
		if v.Schemas == digest && 2*n > b.versions[v.KongVersion] && (n > 1 || b.nodes == 1) {
			return true
		}
	}
	return false
}

// Backed returns the bundles that are named, each with whether it counts.
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

// Digests returns the bundles that are named, sorted.
func (b *Backing) Digests() []string { return slices.Sorted(maps.Keys(b.Backed())) }
