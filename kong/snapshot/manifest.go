package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Sum is the SHA-256 of the raw bytes of a chunk, and identifies it.
type Sum [sha256.Size]byte

// String returns the sum as 64 hexadecimal digits.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// ParseSum is the inverse of String.
func ParseSum(text string) (sum Sum, err error) {
	if len(text) != hex.EncodedLen(len(sum)) {
		return Sum{}, fmt.Errorf("%q is not a sum: want 64 hex digits", text)
	}
	if _, err := hex.Decode(sum[:], []byte(text)); err != nil {
		return Sum{}, fmt.Errorf("%q is not a sum: want 64 hex digits", text)
	}
	return sum, nil
}

// ChunkRef identifies a chunk and has its size in raw bytes.
type ChunkRef struct {
	Sum  Sum
	Size int
}

// Manifest is the ordered list of a snapshot's chunks. The zero value is an empty manifest: the base of a delta that needs none.
type Manifest struct {
	Digest fleet.Digest
	Size   int64
	Chunks []ChunkRef
}

// IsZero reports whether the manifest is empty.
func (m Manifest) IsZero() bool { return m.Digest == "" && m.Size == 0 && len(m.Chunks) == 0 }

// manifestVersion is the first byte of an encoded manifest.
const manifestVersion = 1

// MarshalBinary encodes the manifest: a version byte, the raw digest, the size,
// the count, then per chunk its sum and its size, and a CRC-32C at the end.
// Numbers are unsigned varints. A chunk takes 35 bytes.
func (m Manifest) MarshalBinary() ([]byte, error) {
	digest, err := rawDigest(m.Digest)
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	out := make([]byte, 0, 1+sha256.Size+16+len(m.Chunks)*(sha256.Size+3)+crc32.Size)
	out = append(out, manifestVersion)
	out = append(out, digest[:]...)
	out = binary.AppendUvarint(out, uint64(m.Size))
	out = binary.AppendUvarint(out, uint64(len(m.Chunks)))
	for _, c := range m.Chunks {
		out = append(out, c.Sum[:]...)
		out = binary.AppendUvarint(out, uint64(c.Size))
	}
	return binary.BigEndian.AppendUint32(out, checksum(out)), nil
}

// UnmarshalBinary decodes the output of MarshalBinary and checks it. Damage, sizes out of bounds, and chunks that do not add up are
// ErrManifest and leave m unchanged. It keeps no part of encoded.
func (m *Manifest) UnmarshalBinary(encoded []byte) error {
	if len(encoded) < 1+sha256.Size+2+crc32.Size {
		return fmt.Errorf("%w: cut short", ErrManifest)
	}
	if encoded[0] != manifestVersion {
		return fmt.Errorf("%w: version %d is unknown here", ErrManifest, encoded[0])
	}
	body, tail := encoded[:len(encoded)-crc32.Size], encoded[len(encoded)-crc32.Size:]
	if checksum(body) != binary.BigEndian.Uint32(tail) {
		return fmt.Errorf("%w: the checksum is another", ErrManifest)
	}
	read := Manifest{Digest: fleet.Digest("sha256:" + Sum(body[1:]).String())}
	body = body[1+sha256.Size:]
	size, body, ok := uvarint(body, MaxSize)
	count, body, ok2 := uvarint(body, MaxSize)
	if !ok || !ok2 || count > uint64(len(body)/(sha256.Size+1)) {
		return fmt.Errorf("%w: its numbers are out of bounds", ErrManifest)
	}
	read.Size = int64(size)
	read.Chunks = make([]ChunkRef, count)
	var total uint64
	for i := range read.Chunks {
		if len(body) < sha256.Size {
			return fmt.Errorf("%w: cut short", ErrManifest)
		}
		var length uint64
		sum := Sum(body)
		length, body, ok = uvarint(body[sha256.Size:], MaxChunk)
		if !ok || length == 0 {
			return fmt.Errorf("%w: the size of chunk %d is out of bounds", ErrManifest, i)
		}
		read.Chunks[i] = ChunkRef{Sum: sum, Size: int(length)}
		total += length
	}
	if len(body) != 0 || total != size {
		return fmt.Errorf("%w: its chunks do not add up to its size", ErrManifest)
	}
	*m = read
	return nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func uvarint(b []byte, limit uint64) (value uint64, rest []byte, ok bool) {
	value, n := binary.Uvarint(b)
	if n <= 0 || value > limit {
		return 0, b, false
	}
	return value, b[n:], true
}

func rawDigest(d fleet.Digest) (raw [sha256.Size]byte, err error) {
	if _, err := fleet.ParseDigest(string(d)); err != nil {
		return raw, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	_, err = hex.Decode(raw[:], []byte(d.Hex()))
	return raw, err
}

// Changes is the difference between two manifests.
type Changes struct {
	Added   []ChunkRef // only in to, in its order, each once
	Removed []ChunkRef // only in from, in its order, each once
	Shared  []ChunkRef // in both, in the order of to, each once
}

// Diff compares two manifests.
func Diff(from, to Manifest) Changes {
	var c Changes
	old := make(map[Sum]bool, len(from.Chunks)) // true: also in to
	for _, ref := range from.Chunks {
		old[ref.Sum] = false
	}
	seen := make(map[Sum]struct{}, len(to.Chunks))
	for _, ref := range to.Chunks {
		if _, again := seen[ref.Sum]; again {
			continue
		}
		seen[ref.Sum] = struct{}{}
		if _, ok := old[ref.Sum]; ok {
			old[ref.Sum] = true
			c.Shared = append(c.Shared, ref)
		} else {
			c.Added = append(c.Added, ref)
		}
	}
	for _, ref := range from.Chunks {
		if shared, ok := old[ref.Sum]; ok && !shared {
			c.Removed = append(c.Removed, ref)
			delete(old, ref.Sum)
		}
	}
	return c
}
