package roster

import (
	"slices"
	"time"
)

// A Drain is an operator's order to keep a node out of load balancing.
type Drain struct {
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// maxDrainRequests is how many request ids a node's record remembers. A client gives up retrying before it is reached.
const maxDrainRequests = 8

// DrainNode returns the record of a node after a drain. false means no change; a request is carried out once. Draining a drained node
// changes its reason and keeps its time.
func DrainNode(now time.Time, n Node, reason, request string) (Node, bool) {
	if n.alreadyApplied(request) || n.Drain != nil && n.Drain.Reason == reason {
		return n, false
	}
	since := now
	if n.Drain != nil {
		since = n.Drain.Since
	}
	n.Drain = &Drain{Reason: reason, Since: since}
	return n.withDrainOrder(request), true
}

// UndrainNode returns the record of a node that goes back to load balancing. false means no change.
func UndrainNode(n Node, request string) (Node, bool) {
	if n.alreadyApplied(request) || n.Drain == nil {
		return n, false
	}
	n.Drain = nil
	return n.withDrainOrder(request), true
}

// withDrainOrder counts the order and remembers its request.
func (n Node) withDrainOrder(request string) Node {
	n.DrainOrder++
	return n.withRequest(request)
}

// withRequest remembers a request.
func (n Node) withRequest(request string) Node {
	if request != "" {
		n.DrainRequests = append(slices.Clone(n.DrainRequests), request)
		n.DrainRequests = n.DrainRequests[max(0, len(n.DrainRequests)-maxDrainRequests):]
	}
	return n
}

func (n Node) alreadyApplied(request string) bool {
	return request != "" && slices.Contains(n.DrainRequests, request)
}
