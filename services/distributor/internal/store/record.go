package store

import (
	"encoding/json"
	"fmt"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// recordVersion is in every record, and markedVersion in those with a mark: a version of this service that knows no marks would take the
// etcd revision for the number. Records of a later version are not read.
const (
	recordVersion = 1
	markedVersion = 2
)

// record is the form of every value: JSON, because records are few and small, and operators of a broken control plane read them with
// etcdctl.
type record[T any] struct {
	Version int `json:"v"`
	etcdkv.Mark
	Value T `json:"value"`
}

func encode[T any](value T) (string, error) { return encodeShifted(value, 0) }

// encodeShifted encodes a record whose number matters, in a ledger whose numbers are so far ahead of etcd's revisions.
func encodeShifted[T any](value T, shift int64) (string, error) {
	r := record[T]{Version: recordVersion, Mark: etcdkv.Mark{Shift: shift}, Value: value}
	if shift != 0 {
		r.Version = markedVersion
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode record: %w", err)
	}
	return string(text), nil
}

func decode[T any](text []byte) (T, error) {
	value, _, err := decodeNumbered[T](text, 0)
	return value, err
}

// decodeNumbered decodes a record that was written at an etcd revision, and returns its number too.
func decodeNumbered[T any](text []byte, modRevision int64) (T, int64, error) {
	var r record[T]
	if err := json.Unmarshal(text, &r); err != nil {
		return r.Value, 0, fmt.Errorf("decode record: %w", err)
	}
	if r.Version != recordVersion && r.Version != markedVersion {
		return r.Value, 0, fmt.Errorf("decode record: version %d is unknown here", r.Version)
	}
	return r.Value, r.Number(modRevision), nil
}

// A Rollout is a stored rollout. The etcd revision guards its next write.
type Rollout struct {
	rollout.Rollout
	modRevision int64
}
