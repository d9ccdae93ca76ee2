package snapshot

import (
	"errors"
	"fmt"
)

// MaxSize is the largest snapshot in bytes, enough for about 100,000 routes.
const MaxSize = 64 << 20

// Sentinels that callers may match with errors.Is.
var (
	// ErrLayout means that bytes are not in the canonical layout.
	ErrLayout = errors.New("not canonical bytes")
	// ErrManifest means that an encoded manifest is damaged, or of an unknown version.
	ErrManifest = errors.New("bad manifest")
	// ErrDelta means that a delta is malformed, or does not fit the given base.
	ErrDelta = errors.New("bad delta")
	// ErrDigest means that bytes do not have the expected digest.
	ErrDigest = errors.New("digest mismatch")
	// ErrChunk means that a stored chunk is damaged.
	ErrChunk = errors.New("bad chunk")
)

// TooLargeError means that a snapshot is over the limit.
type TooLargeError struct {
	Size  int64 // in bytes
	Limit int64 // in bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("snapshot of %d bytes is over the limit of %d bytes", e.Size, e.Limit)
}

// DuplicateError means that two entities of a kind have the same id.
type DuplicateError struct {
	Kind string
	ID   string
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s: id %s occurs twice", e.Kind, e.ID)
}

// EntityError means that an entity cannot be part of a snapshot. Its text holds no value of the entity except its id.
type EntityError struct {
	Kind   string
	ID     string
	Reason string
}

func (e *EntityError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Kind, e.ID, e.Reason)
}
