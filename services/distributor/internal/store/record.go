package store

import (
	"encoding/json"
	"fmt"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// recordVersion is in every record. Records of a later version are not read.
const recordVersion = 1

// record is the form of every value: JSON, because records are few and small, and operators of a broken control plane read them with
// etcdctl.
type record[T any] struct {
	Version int `json:"v"`
	Value   T   `json:"value"`
}

func encode[T any](value T) (string, error) {
	text, err := json.Marshal(record[T]{Version: recordVersion, Value: value})
	if err != nil {
		return "", fmt.Errorf("encode record: %w", err)
	}
	return string(text), nil
}

func decode[T any](text []byte) (T, error) {
	var r record[T]
	if err := json.Unmarshal(text, &r); err != nil {
		return r.Value, fmt.Errorf("decode record: %w", err)
	}
	if r.Version != recordVersion {
		return r.Value, fmt.Errorf("decode record: version %d is unknown here", r.Version)
	}
	return r.Value, nil
}

// A Rollout is a stored rollout. The etcd revision guards its next write.
type Rollout struct {
	rollout.Rollout
	modRevision int64
}
