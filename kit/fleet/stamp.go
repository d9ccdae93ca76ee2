package fleet

import (
	"cmp"
	"fmt"
)

// A Stamp orders all decisions that a ledger ever made: by epoch, and within an epoch by decision. The zero Stamp is before all of them.
// The term does not order it: a Lineage needs it.
type Stamp struct {
	Epoch    Epoch
	Decision Decision
	Term     Term
	TermID   TermID
}

// MaxEpoch is the largest epoch that is believed when a node reports it. No ledger is recovered that often, and a false report must not
// exhaust the numbers.
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

// String returns both numbers as text.
func (s Stamp) String() string {
	return fmt.Sprintf("decision %d of epoch %d", s.Decision, s.Epoch)
}
