package roster

import "time"

// A Quarantine is an operator's order: the node gets nothing new, and rollouts do not wait for it.
type Quarantine struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// QuarantineNode returns the record of a node in quarantine. false means no change; a request is carried out once. Another reason keeps the
// time.
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

// ReleaseNode returns the record of a node that leaves quarantine. false means no change.
func ReleaseNode(n Node, request string) (Node, bool) {
	if n.alreadyApplied(request) || n.Quarantine == nil {
		return n, false
	}
	n.Quarantine = nil
	return n.withRequest(request), true
}
