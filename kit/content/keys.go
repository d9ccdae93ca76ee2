package content

import (
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Prefixes of all keys of this package, under the prefix of the client of etcd.
const (
	ChunkPrefix    = "content/chunks/"
	ManifestPrefix = "content/manifests/"
)

func chunkKey(sum snapshot.Sum) string { return ChunkPrefix + sum.String() }

func manifestKey(digest fleet.Digest) string { return ManifestPrefix + digest.Hex() }
