package snapshot

import (
	"errors"
	"fmt"
)

// MaxSize is the largest snapshot, in bytes: about 100,000 routes.
const MaxSize = 64 << 20

// Sentinels that callers may match with errors.Is.
var (
	// ErrLayout: bytes that should be canonical are not laid out so.
	ErrLayout = errors.New("not canonical bytes")
	// ErrManifest: an encoded manifest is damaged, or of an unknown version.
	ErrManifest = errors.New("bad manifest")
	// ErrDelta: a delta is malformed, or does not fit the base it was given.
	ErrDelta = errors.New("bad delta")
	// ErrDigest: bytes do not have the digest that they should have.
	ErrDigest = errors.New("digest mismatch")
	// ErrChunk: a stored chunk is damaged.
	ErrChunk = errors.New("bad chunk")
)

// TooLargeError says that a snapshot is over the limit.
type TooLargeError struct {
	Size  int64 // in bytes
	Limit int64 // in bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("snapshot of %d bytes is over the limit of %d bytes", e.Size, e.Limit)
}

// DuplicateError says that two entities of a kind have the same id.
type DuplicateError struct {
	Kind string
	ID   string
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s: id %s is there twice", e.Kind, e.ID)
}

// EntityError says that one entity cannot stand in a snapshot. Its text never
// holds a value of the entity other than its id.
type EntityError struct {
	Kind   string
	ID     string
	Reason string
}

func (e *EntityError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Kind, e.ID, e.Reason)
}
