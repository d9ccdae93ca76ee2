// Package drift compares the configuration that a gateway runs with the one that its agent loaded. It is pure: the applier observes and
// repairs the gateway.
package drift

import (
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Policy is the drift policy of a group.
type Policy int

// The policies of a group.
const (
	Heal   Policy = iota // load the expected configuration again
	Report               // report it, and leave the gateway as it is
)

// Finding is the result of a comparison.
type Finding int

// The findings.
const (
	Same    Finding = iota // the gateway runs what the agent loaded
	Unknown                // the agent loaded nothing yet
	Lost                   // the gateway runs nothing (fact F1)
	Drifted                // the gateway runs a configuration that the agent did not load
	Behind                 // the gateway restarted with an older configuration of ours
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
