// Package content keeps snapshots in etcd as immutable content: chunks under the
// SHA-256 of their raw bytes, manifests under the digest of the snapshot. The
// translator writes, distributors and the registry read.
//
// It says nothing about which content is wanted: that is in the ledgers that name
// digests. Nothing here expires; a collector that knows the ledgers deletes. Since
// Put does not write chunks that are there already, such a collector must leave alone what a
// snapshot under way may rest on: what was written in the last few minutes, and
// the chunks of every manifest that is kept.
package content
