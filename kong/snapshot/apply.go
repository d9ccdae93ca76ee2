package snapshot

import (
	"fmt"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Apply makes the canonical bytes that a delta describes, and returns them only if their digest is want. Base is neither modified nor kept.
// The delta may come from anybody: it is checked in full before memory is allocated, and only the result and the decoder's own few pages
// are allocated. A delta that is malformed or belongs to another base is ErrDelta or ErrDigest; a size over MaxSize is TooLargeError.
func Apply(base []byte, d Delta, want fleet.Digest) ([]byte, error) {
	if d.BaseDigest == "" {
		base = nil
	}
	if d.Digest != want {
		return nil, fmt.Errorf("apply delta: %w: it makes %s, wanted is %s", ErrDigest, d.Digest, want)
	}
	if d.Size > MaxSize {
		return nil, fmt.Errorf("apply delta: %w", &TooLargeError{Size: d.Size, Limit: MaxSize})
	}
	if err := check(d, int64(len(base))); err != nil {
		return nil, fmt.Errorf("apply delta: %w", err)
	}
	out := make([]byte, 0, d.Size)
	for i, op := range d.Ops {
		if c := op.Copy; c != nil {
			out = append(out, base[c.Offset:c.Offset+c.Length]...)
			continue
		}
		n, dict := len(out), base[op.Data.DictOffset:op.Data.DictOffset+op.Data.DictLength]
		raw, err := inflate(out[n:n:n+int(op.Data.RawLength)], op.Data.Zstd, dict)
		if err != nil {
			return nil, fmt.Errorf("apply delta: %w: operation %d: %w", ErrDelta, i, err)
		}
		out = append(out, raw...) // raw was made in place, so this appends it to itself
	}
	if got := fleet.DigestOf(out); got != want {
		return nil, fmt.Errorf("apply delta: %w: it made %s, wanted is %s", ErrDigest, got, want)
	}
	return out, nil
}

// check reports whether the operations stay within a base of that size and produce the announced size.
func check(d Delta, base int64) error {
	if d.Size <= 0 {
		return fmt.Errorf("%w: it announces %d bytes", ErrDelta, d.Size)
	}
	left := d.Size
	for i, op := range d.Ops {
		var length int64
		switch {
		case (op.Copy == nil) == (op.Data == nil):
			return fmt.Errorf("%w: operation %d is not one step", ErrDelta, i)
		case op.Copy != nil:
			if length = op.Copy.Length; !within(op.Copy.Offset, length, base) {
				return fmt.Errorf("%w: operation %d copies from outside of the base", ErrDelta, i)
			}
		default:
			length = op.Data.RawLength
			if op.Data.DictLength > MaxDict || !within(op.Data.DictOffset, op.Data.DictLength, base) {
				return fmt.Errorf("%w: operation %d has its dictionary outside of the base", ErrDelta, i)
			}
		}
		if length <= 0 || length > left {
			return fmt.Errorf("%w: operation %d does not fit into the announced %d bytes", ErrDelta, i, d.Size)
		}
		left -= length
	}
	if left != 0 {
		return fmt.Errorf("%w: its operations leave %d of the announced %d bytes", ErrDelta, left, d.Size)
	}
	return nil
}

func within(offset, length, size int64) bool {
	return offset >= 0 && length >= 0 && offset <= size && length <= size-offset
}
