package fleet_test

import (
	"math"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// The epoch comes first: no decision of an older life of the ledger is after any of a newer one.
func TestStampsAreOrderedByEpochThenDecision(t *testing.T) {
	inOrder := []fleet.Stamp{{}, {Decision: 1}, {Decision: math.MaxInt64}, {Epoch: 1}, {Epoch: 1, Decision: 7}, {Epoch: 2},
		{Epoch: 2, Decision: 1}, {Epoch: fleet.MaxEpoch}}
	for i, a := range inOrder {
		for j, b := range inOrder {
			if got := a.After(b); got != (i > j) {
				t.Errorf("%s after %s: got %t", a, b, got)
			}
			if (a.Compare(b) == 0) != (i == j) {
				t.Errorf("%s against %s: got %d", a, b, a.Compare(b))
			}
		}
		if !a.Believable() {
			t.Errorf("%s is not believed", a)
		}
	}
	for _, bad := range []fleet.Stamp{{Epoch: fleet.MaxEpoch + 1}, {Epoch: math.MaxInt64}, {Epoch: -1}, {Decision: -1}} {
		if bad.Believable() {
			t.Errorf("%s is believed", bad)
		}
	}
}
