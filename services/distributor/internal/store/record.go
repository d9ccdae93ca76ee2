package store

import (
	"encoding/json"
	"fmt"

	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// recordVersion is written into every record; a record of a later version is left alone.
const recordVersion = 1

// record is how everything is stored: JSON, because records are few and small, and an operator at a broken control plane
// has etcdctl and eyes.
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

// A Rollout is a stored rollout with what guards its next write.
type Rollout struct {
	rollout.Rollout
	modRevision int64
}
