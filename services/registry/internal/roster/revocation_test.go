package roster

import (
	"errors"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/revocation"
)

func TestRevoke(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	until := now.Add(revocation.Skew)
	tests := []struct {
		name   string
		before *Revocation
		total  int64
		asked  Revocation
		want   Revocation
		full   bool
	}{
		{"what is issued a moment later is kept out too", nil, 0, Revocation{Reason: "x", By: "a"},
			Revocation{Reason: "x", By: "a", Since: now, Until: until}, false},
		{"the same request changes nothing", &Revocation{Until: now, Request: "1"}, 1, Revocation{Request: "1"},
			Revocation{Until: now, Request: "1"}, false},
		{"another one keeps out what was issued since", &Revocation{Until: now, Request: "1"}, 1, Revocation{Request: "2"},
			Revocation{Since: now, Until: until, Request: "2"}, false},
		{"a reason outlives a revocation without one", &Revocation{Reason: "x"}, 1, Revocation{},
			Revocation{Reason: "x", Since: now, Until: until}, false},
		{"a clock that is behind lets nothing in", &Revocation{Until: until.Add(time.Hour)}, 1, Revocation{},
			Revocation{Since: now, Until: until.Add(time.Hour)}, false},
		{"the list is full", nil, MaxRevocations, Revocation{}, Revocation{}, true},
		{"a full list takes what is on it", &Revocation{}, MaxRevocations, Revocation{}, Revocation{Since: now, Until: until}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Revoke(now, tt.before, tt.total, tt.asked)
			if full := errors.Is(err, &fault.Error{Kind: fault.Full, Reason: "REVOCATIONS_FULL"}); full != tt.full || got != tt.want {
				t.Errorf("got %+v, %v; want %+v, full %t", got, err, tt.want, tt.full)
			}
		})
	}
}
