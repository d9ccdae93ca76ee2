// Package content keeps snapshots in etcd as immutable content: chunks under the SHA-256 of their raw bytes, manifests under the digest of
// the snapshot. The translator writes; distributors and the registry read.
//
// The package does not know which content is needed: the ledgers have the digests. Nothing here expires. The translator deletes content,
// because it knows what refers to it. Put does not write chunks that exist already. Before a caller refers to a snapshot after Put, it must
// therefore check that nothing was deleted since Put began; see docs/adr/0046-retention.md.
package content
