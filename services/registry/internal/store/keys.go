// Package store is the registry's ledger in etcd: its keys, its records and its transactions. It decides nothing.
package store

import (
	"fmt"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// Every key of the registry, under the prefix of its client of etcd.
const (
	Prefix        = "identity/"
	groupPrefix   = Prefix + "groups/"
	nodePrefix    = Prefix + "nodes/"
	sessionPrefix = Prefix + "sessions/"
	schemaPrefix  = Prefix + "schemas/"
	uploadPrefix  = Prefix + "uploads/"

	inventoryPrefix     = Prefix + "inventories/"
	wantedPrefix        = Prefix + "wanted/"
	configurationPrefix = Prefix + "configurations/"

	revocationPrefix = Prefix + "revocations/"
	revokedNodes     = revocationPrefix + "nodes/"
	revokedUsers     = revocationPrefix + "users/"

	// BackupElection is the election of the replica that makes backups.
	BackupElection = Prefix + "backups/leader"
)

func inventoryKey(digest string) string { return inventoryPrefix + digest }

// wantedKey holds the word of a call that waits for a gateway's configuration.
func wantedKey(k roster.Key) string { return wantedPrefix + string(k.Group) + "/" + string(k.Node) }

// partKey holds a part of that configuration.
func partKey(word string, part int32) string {
	return fmt.Sprintf("%s%s/%04x", configurationPrefix, word, part)
}

func groupKey(g fleet.GroupID) string           { return groupPrefix + string(g) }
func nodeKey(k roster.Key) string               { return nodePrefix + string(k.Group) + "/" + string(k.Node) }
func sessionKey(k roster.Key) string            { return sessionPrefix + string(k.Group) + "/" + string(k.Node) }
func nodesOfGroupPrefix(g fleet.GroupID) string { return nodePrefix + string(g) + "/" }

// revocationKey returns the key of a node's revocation, or of a user's, who has no group.
func revocationKey(k roster.Key) string {
	if k.Group == "" {
		return revokedUsers + string(k.Node)
	}
	return revokedNodes + string(k.Group) + "/" + string(k.Node)
}

// Kind is what a key holds.
type Kind int

// The kinds of keys. Other is a key of another version, which is ignored.
const (
	Other Kind = iota
	GroupKind
	NodeKind
	SessionKind
	RevocationKind
)

// Parse returns what a key holds. A group has only Key.Group, the revocation of a user only Key.Node.
func Parse(key string) (Kind, roster.Key) {
	for prefix, kind := range map[string]Kind{nodePrefix: NodeKind, sessionPrefix: SessionKind, revokedNodes: RevocationKind} {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			group, node, ok := strings.Cut(rest, "/")
			if !ok {
				return Other, roster.Key{}
			}
			return kind, roster.Key{Group: fleet.GroupID(group), Node: fleet.NodeID(node)}
		}
	}
	if name, ok := strings.CutPrefix(key, groupPrefix); ok {
		return GroupKind, roster.Key{Group: fleet.GroupID(name)}
	}
	if name, ok := strings.CutPrefix(key, revokedUsers); ok {
		return RevocationKind, roster.Key{Node: fleet.NodeID(name)}
	}
	return Other, roster.Key{}
}

// ParseSchemas returns the digest of a bundle's key; false for any other key.
func ParseSchemas(key string) (digest string, ok bool) { return strings.CutPrefix(key, schemaPrefix) }

// SchemaKey is the inverse of ParseSchemas.
func SchemaKey(digest string) string { return schemaPrefix + digest }

// ParseUploader returns the digest of an uploader's key; false for any other key.
func ParseUploader(key string) (digest string, ok bool) { return strings.CutPrefix(key, uploadPrefix) }

// UploaderKey is the inverse of ParseUploader.
func UploaderKey(digest string) string { return uploadPrefix + digest }

// KeyOf is the inverse of Parse.
func KeyOf(kind Kind, key roster.Key) string {
	switch kind {
	case GroupKind:
		return groupKey(key.Group)
	case NodeKind:
		return nodeKey(key)
	case SessionKind:
		return sessionKey(key)
	case RevocationKind:
		return revocationKey(key)
	}
	return ""
}
