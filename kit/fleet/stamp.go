package fleet

import (
	"cmp"
	"fmt"
)

// A Stamp is the place of a decision among all decisions that a ledger ever made: by its epoch, and by the decision within the epoch. The
// zero Stamp is before all of them.
type Stamp struct {
	Epoch    Epoch
	Decision Decision
}

// MaxEpoch is the largest epoch that a node is believed to have followed. No ledger is recovered so often, and a node that says so must not
// take the numbers away.
const MaxEpoch Epoch = 1 << 31

// Compare is negative when s comes before other, and positive when it comes after.
func (s Stamp) Compare(other Stamp) int {
	return cmp.Or(cmp.Compare(s.Epoch, other.Epoch), cmp.Compare(s.Decision, other.Decision))
}

// After reports whether s is the later of two decisions.
func (s Stamp) After(other Stamp) bool { return s.Compare(other) > 0 }

// Believable reports whether a ledger can have made the decision.
func (s Stamp) Believable() bool {
	return s.Epoch >= 0 && s.Epoch <= MaxEpoch && s.Decision >= 0
}

// String names both numbers.
func (s Stamp) String() string {
	return fmt.Sprintf("decision %d of epoch %d", s.Decision, s.Epoch)
}
