package store

import (
	"fmt"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Every key of the translator's ledger, under the prefix of its client of etcd. Names hold no slash, see fleet.ValidName.
const (
	sourcesPrefix   = "desired/sources/"
	revisionsPrefix = "desired/revisions/"
	headsPrefix     = "desired/heads/"
	requestsPrefix  = "desired/requests/"
	fragmentsPrefix = "content/fragments/"
	// collectedKey is written by every transaction that deletes content. A commit compares its version: it loses when content was deleted
	// after it began to look for its own.
	collectedKey = "content/collected"
	// turnKey is written by the collection that may delete, with the etcd revision of its list of what is in use. Every deletion compares its
	// version, so that a later list ends the collections before it.
	turnKey = "content/turn"
)

func groupSources(g fleet.GroupID) string                { return sourcesPrefix + string(g) + "/" }
func sourceKey(g fleet.GroupID, s fleet.SourceID) string { return groupSources(g) + string(s) }
func groupRevisions(g fleet.GroupID) string              { return revisionsPrefix + string(g) + "/" }
func headKey(g fleet.GroupID) string                     { return headsPrefix + string(g) }
func requestKey(g fleet.GroupID, id string) string       { return requestsPrefix + string(g) + "/" + id }

// Revisions sort by number, since their keys have a fixed width.
func revisionKey(g fleet.GroupID, n fleet.Revision) string {
	return fmt.Sprintf("%s%016x", groupRevisions(g), int64(n))
}

// A fragment is cut into pieces that fit an etcd request; its head says how many there are.
func fragmentKey(d fleet.Digest) string { return fragmentsPrefix + d.Hex() }
func fragmentPiece(d fleet.Digest, i int) string {
	return fmt.Sprintf("%s/%04x", fragmentKey(d), i)
}

// groupOfHead returns the group of a key of headsPrefix.
func groupOfHead(key string) fleet.GroupID {
	return fleet.GroupID(strings.TrimPrefix(key, headsPrefix))
}
