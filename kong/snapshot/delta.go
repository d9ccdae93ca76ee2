package snapshot

import "github.com/silverback-gateway/silverback/kit/fleet"

// MaxDict is the largest dictionary that a delta may name, in bytes.
const MaxDict = 512 << 10

// Delta makes one snapshot's canonical bytes from another's. Its operations append to the result, in order. It is immutable and may be
// shared.
type Delta struct {
	BaseDigest fleet.Digest // empty without a base
	Digest     fleet.Digest // of the result
	Size       int64        // of the result, in bytes
	Ops        []Op
}

// Op is one step of a delta; exactly one of its fields is set.
type Op struct {
	Copy *Copy
	Data *Data
}

// Copy appends a range of the base.
type Copy struct {
	Offset, Length int64 // in bytes; Length is at least 1
}

// Data appends new bytes.
type Data struct {
	Zstd       []byte // one zstd frame; shared, must not be modified
	RawLength  int64  // its size when unpacked, at least 1
	DictOffset int64  // where its dictionary starts in the base
	DictLength int64  // 0 without a dictionary
}

// opOverhead bounds the size of an operation on the wire besides its frame.
const opOverhead = 32

// WireSize returns an upper bound of the delta's size on the wire, in bytes.
func (d Delta) WireSize() int {
	size := 0
	for _, op := range d.Ops {
		size += op.wireSize()
	}
	return size + 2*len("sha256:") + 4*32 + 16
}

func (op Op) wireSize() int {
	if op.Data == nil {
		return opOverhead
	}
	return opOverhead + len(op.Data.Zstd)
}

// Parts cuts the operations into runs of at most limit bytes on the wire each. An operation is at most a little over MaxChunk and is never
// cut, so an operation over the limit is a part of its own. The parts share the memory of the delta. There is at least one part, which may
// be empty.
func (d Delta) Parts(limit int) [][]Op {
	var parts [][]Op
	start, size := 0, 0
	for i, op := range d.Ops {
		n := op.wireSize()
		if size+n > limit && i > start {
			parts = append(parts, d.Ops[start:i])
			start, size = i, 0
		}
		size += n
	}
	return append(parts, d.Ops[start:])
}
