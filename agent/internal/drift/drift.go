// Package drift compares what a gateway runs with what its agent left there. It is pure; asking the gateway and putting
// things right is the applier's.
package drift

import (
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Policy is what to do about drift.
type Policy int

// The policies of a group.
const (
	Heal   Policy = iota // put back what should run
	Report               // say so, and leave the gateway as it is
)

// Finding is what a comparison came to.
type Finding int

// The findings.
const (
	Same    Finding = iota // the gateway runs what was left there
	Unknown                // nothing was left there, so nothing can be said
	Lost                   // the gateway runs nothing (fact F1)
	Drifted                // the gateway runs what somebody else gave it
	Behind                 // the gateway was started anew, and returned to an older configuration of ours
)

// String returns the word that logs use.
func (f Finding) String() string {
	return [...]string{"same", "unknown", "lost", "drifted", "behind"}[f]
}

// Compare finds drift. Left are the hashes that the last load may have left: several while it is not known whether the gateway
// took it, none before the first load. Without the reserved route an empty configuration has the hash zero, so zero is Same
// when left holds it, and Lost otherwise (fact F5).
func Compare(left []fleet.GatewayHash, found fleet.GatewayHash) Finding {
	switch {
	case slices.Contains(left, found):
		return Same
	case len(left) == 0:
		return Unknown
	case found == fleet.NoGatewayHash:
		return Lost
	}
	return Drifted
}

// Restores reports whether the finding is to be repaired. The policy matters for drift only: a gateway that lost its
// configuration, or returned to an older one, is always repaired.
func (p Policy) Restores(f Finding) bool {
	return f == Lost || f == Behind || f == Drifted && p == Heal
}
