package roster

import (
	"slices"
	"time"
)

// A Drain is an operator's word that a node is to stay out of load balancing.
type Drain struct {
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// maxDrainRequests is how many request ids of operators a node's record remembers: a client gives up retrying long before
// so many others come in between.
const maxDrainRequests = 8

// DrainNode decides the record of a node that is to be drained; false is that it stays as it is, also because the request was carried
// out before. Draining a draining node changes its reason, and not since when.
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

// UndrainNode decides the record of a node that is given back to load balancing; false is that it stays as it is.
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

// withRequest keeps the id of a request that was carried out.
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
