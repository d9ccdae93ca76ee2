package roster

import "time"

// A Quarantine is an operator's word that a node is to be told nothing new, and that rollouts do not wait for it.
type Quarantine struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// MaxQuarantineReason bounds why a node is in quarantine.
const MaxQuarantineReason = MaxDrainReason

// QuarantineNode decides the record of a node that is to be in quarantine; false is that it stays as it is, also because the request was
// carried out before. Another reason does not change since when.
func QuarantineNode(now time.Time, n Node, reason, request string) (Node, bool) {
	if n.alreadyApplied(request) || n.Quarantine != nil && n.Quarantine.Reason == reason {
		return n, false
	}
	since := now
	if n.Quarantine != nil {
		since = n.Quarantine.Since
	}
	n.Quarantine = &Quarantine{Reason: reason, Since: since}
	return n.withRequest(request), true
}

// ReleaseNode decides the record of a node that leaves quarantine; false is that it stays as it is.
func ReleaseNode(n Node, request string) (Node, bool) {
	if n.alreadyApplied(request) || n.Quarantine == nil {
		return n, false
	}
	n.Quarantine = nil
	return n.withRequest(request), true
}
