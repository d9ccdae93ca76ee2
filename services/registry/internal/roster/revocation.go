package roster

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/revocation"
)

// A Revocation is an operator's order to refuse the certificates of one identity.
type Revocation struct {
	Reason  string    `json:"reason,omitempty"`
	By      string    `json:"by"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"` // certificates issued until then are refused
	Request string    `json:"request,omitempty"`
}

// MaxRevocations bounds how many are in force.
const MaxRevocations = 10_000

// RevocationKey returns the key of a revocation. A user has no group.
func RevocationKey(s revocation.Subject) Key {
	return Key{Group: fleet.GroupID(s.Group), Node: fleet.NodeID(s.Name)}
}

// Revoked returns the identity of a revocation's key.
func (k Key) Revoked() revocation.Subject {
	if k.Group == "" {
		return revocation.Subject{Kind: identity.User, Name: string(k.Node)}
	}
	return revocation.Subject{Kind: identity.Node, Group: string(k.Group), Name: string(k.Node)}
}

// Revoke returns the new revocation. before is the present one, total the number of all. It never shortens a revocation.
func Revoke(now time.Time, before *Revocation, total int64, asked Revocation) (Revocation, error) {
	if before != nil && asked.Request != "" && before.Request == asked.Request {
		return *before, nil
	}
	if before == nil && total >= MaxRevocations {
		return Revocation{}, fault.New(fault.Full, "REVOCATIONS_FULL",
			"%d revocations are in force, which is the limit: undo those whose certificates have all ended (silverback get revocations, "+
				"silverback unrevoke)", total)
	}
	if asked.Reason == "" && before != nil {
		asked.Reason = before.Reason
	}
	asked.Since, asked.Until = now, now.Add(revocation.Skew)
	if before != nil && before.Until.After(asked.Until) {
		asked.Until = before.Until
	}
	return asked, nil
}
