package event

import "github.com/silverback-gateway/silverback/kit/fleet"

// A Sequence orders all events of an installation: by the epoch of the ledger, then by the number of the transaction that wrote them, which
// is its etcd revision unless the ledger was restored, then by their place in it. Sequences grow and are not consecutive. So writers need
// no common counter, and a recovery of the ledger, which raises the epoch, repeats none.
type Sequence int64

// MaxBatch is how many events one transaction may write.
const MaxBatch = 1 << placeBits

const (
	placeBits    = 8
	revisionBits = 40
)

// SequenceAt returns the sequence of the event at a place, from 0, of the transaction with a number.
func SequenceAt(epoch fleet.Epoch, revision int64, place int) Sequence {
	return Sequence(int64(epoch)<<(revisionBits+placeBits) | revision<<placeBits | int64(place))
}

// LastUpTo returns the largest sequence up to a number.
func LastUpTo(epoch fleet.Epoch, revision int64) Sequence {
	return SequenceAt(epoch, revision, MaxBatch-1)
}

// Epoch returns the epoch of the ledger at which an event was written.
func (s Sequence) Epoch() fleet.Epoch { return fleet.Epoch(s >> (revisionBits + placeBits)) }

// Revision returns the number of the transaction that wrote an event.
func (s Sequence) Revision() int64 { return int64(s) >> placeBits & (1<<revisionBits - 1) }
