// Package fleet has the types of the control plane's terms, so that they cannot be mistaken for one another. Its only rules are about their
// form.
package fleet

import (
	"crypto/sha256"
	"encoding/binary"
)

type (
	// GroupID identifies the gateways that run the same configuration.
	GroupID string
	// NodeID identifies one gateway and the agent beside it, unique within its group.
	NodeID string
	// SourceID identifies a part of a group's configuration.
	SourceID string
	// RolloutID identifies the move of a group to a revision. Later ids sort after earlier ones.
	RolloutID string
	// Revision is a position in a group's history; it starts at 1, and 0 is none.
	Revision int64
	// Term is the fencing token of a leadership: the create revision of the leader's election key. A larger term wins.
	Term int64
	// TermID tells a term from those of the same number in other lives of a ledger that was restored from a backup. It is random and has at
	// most 52 bits; 0 is not known, as with older versions.
	TermID int64
	// Decision is the etcd revision at which a leader wrote an assignment. It orders directives of one epoch.
	Decision int64
	// Epoch counts the recoveries of the ledger. It orders directives before the decision does. The first is 0.
	Epoch int64
)

// MaxPosition is the end of the hash order: a threshold of MaxPosition includes every node.
const MaxPosition = ^uint64(0)

// Position is a node's place in its group's hash order, by which waves are filled. It is the same on every replica and in every version:
// the first eight bytes, big-endian, of SHA-256 of the group's name, a zero byte and the node's name. It is never MaxPosition.
func Position(group GroupID, node NodeID) uint64 {
	sum := sha256.Sum256([]byte(string(group) + "\x00" + string(node)))
	return min(binary.BigEndian.Uint64(sum[:8]), MaxPosition-1)
}
