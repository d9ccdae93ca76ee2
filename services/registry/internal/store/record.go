package store

import (
	"encoding/json"
	"fmt"
)

// recordVersion grows when the meaning of a record changes; otherwise fields are only added. Records are JSON, so that operators can read
// them with etcdctl.
const recordVersion = 1

type envelope[T any] struct {
	V      int `json:"v"`
	Record T   `json:"record"`
}

func encode[T any](record T) (string, error) {
	text, err := json.Marshal(envelope[T]{V: recordVersion, Record: record})
	if err != nil {
		return "", fmt.Errorf("encode record: %w", err)
	}
	return string(text), nil
}

// Decode reads a record.
func Decode[T any](value []byte) (*T, error) {
	var e envelope[T]
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, fmt.Errorf("decode record: %w", err)
	}
	if e.V != recordVersion {
		return nil, fmt.Errorf("decode record: version %d is not known here", e.V)
	}
	return &e.Record, nil
}
