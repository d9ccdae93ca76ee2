// Package content keeps snapshots in etcd as immutable content: chunks under the
// SHA-256 of their raw bytes, manifests under the digest of the snapshot. The
// translator writes, distributors and the registry read.
//
// It says nothing about which content is wanted: that is in the ledgers that name
// digests. Nothing here expires; the translator, which knows what names content, deletes.
// Put does not write chunks that are there already. Whoever names a snapshot after Put must
// therefore compare that nothing was deleted since Put began; see docs/adr/0046-retention.md.
package content
