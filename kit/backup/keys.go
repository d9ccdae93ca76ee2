package backup

import (
	"strings"

	"github.com/silverback-gateway/silverback/kit/presence"
)

// objectPrefixes are of keys that name their content. An object is written once; a backup with a base leaves out those that the base has.
var objectPrefixes = []string{"content/chunks/", "content/manifests/", "content/fragments/", "identity/schemas/"}

// passing are the keys that live with a process beside those under a lease, and numbers that only this etcd can compare.
var passing = []string{"election/", "observed/", "identity/sessions/", "content/turn"}

// isObject reports whether a key names its content.
func isObject(key string) bool { return hasPrefix(key, objectPrefixes) }

// isKept reports whether a key is part of a backup. Keys under a lease end with whoever holds it: sessions, tallies, candidates of an
// election. To restore them would claim that somebody is there.
func isKept(key string, lease int64) bool { return lease == 0 && !passes(key) }

// passes reports whether a key is in no backup, whatever its lease.
func passes(key string) bool { return hasPrefix(key, passing) || presence.Is(key) }

func hasPrefix(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}
