// Package roster holds the rules of who is in the fleet: what state a node is in, who may enrol over whom, and what a group's
// policy may say. It reads no clock, stores nothing and calls nobody.
package roster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Key names a node in the fleet.
type Key struct {
	Group fleet.GroupID `json:"group"`
	Node  fleet.NodeID  `json:"node"`
}

// Compare orders keys by group, then by node.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Group, other.Group), cmp.Compare(k.Node, other.Node))
}

// A Group is what is kept of a group. Policy is opaque here; PolicyViolations judges it before it is stored.
type Group struct {
	Name        fleet.GroupID `json:"name"`
	Description string        `json:"description,omitempty"`
	Policy      []byte        `json:"policy,omitempty"`
	Drift       int32         `json:"drift,omitempty"`
	Trusted     []string      `json:"trusted_schemas,omitempty"` // digests of bundles of schemas, sorted
	Created     time.Time     `json:"created"`
	Updated     time.Time     `json:"updated"`
}

// SameContent reports whether what would be stored of two groups is the same but for the times, so that no field is left out.
func (g Group) SameContent(other Group) bool {
	g.Created, g.Updated = other.Created, other.Updated
	a, errA := json.Marshal(g)
	b, errB := json.Marshal(other)
	return errors.Join(errA, errB) == nil && bytes.Equal(a, b)
}

// A Report is what an agent said last about its node: what the rules need to know, and all of it, opaque. The zero Report says nothing.
type Report struct {
	Received   bool   `json:"said,omitempty"`   // there was a status, even an empty one
	Proven     bool   `json:"proven,omitempty"` // something was proven serving
	Ready      bool   `json:"ready,omitempty"`  // the gateway answers
	Draining   bool   `json:"draining,omitempty"`
	Conditions int    `json:"conditions,omitempty"`
	Unmanaged  bool   `json:"unmanaged,omitempty"` // the gateway serves something that no snapshot brought
	Full       []byte `json:"full,omitempty"`
}

// Empty reports whether nothing was said.
func (r Report) Empty() bool { return !r.Received }

func (r Report) same(o Report) bool {
	return r.Received == o.Received && r.Proven == o.Proven && r.Ready == o.Ready && r.Draining == o.Draining && r.Unmanaged == o.Unmanaged &&
		r.Conditions == o.Conditions
}

// Same reports whether two reports say the same.
func (r Report) Same(o Report) bool { return r.same(o) && bytes.Equal(r.Full, o.Full) }

// A Node is the durable record of a node. It is written when the node enrols, when an operator gives an order, and when a session ends,
// never at a renewal.
type Node struct {
	BootID       string            `json:"boot_id"`
	Succeeds     string            `json:"-"` // of an enrolment: the boot id of the agent's last run, from which it takes over
	Labels       map[string]string `json:"labels,omitempty"`
	Capabilities []byte            `json:"capabilities,omitempty"`
	KongVersion  string            `json:"kong_version,omitempty"`
	Schemas      string            `json:"schemas,omitempty"` // digest of the bundle that the capabilities name
	AgentVersion string            `json:"agent_version,omitempty"`
	ProxyAddress string            `json:"proxy_address,omitempty"`
	AgentAddress string            `json:"agent_address,omitempty"`
	Created      time.Time         `json:"created"`
	Last         Report            `json:"last"`           // what the node ran when its last session ended
	Ended        time.Time         `json:"ended,omitzero"` // when that was
	Left         bool              `json:"left,omitempty"` // the node said goodbye

	Drain      *Drain `json:"drain,omitempty"`       // nil when the node is not drained
	DrainOrder int64  `json:"drain_order,omitempty"` // grows with every drain and undrain
	// the last requests of operators that were carried out, those about quarantine too
	DrainRequests []string `json:"drain_requests,omitempty"`

	Quarantine *Quarantine `json:"quarantine,omitempty"` // nil when the node is in none

	LastDuplicate *DuplicateAgent `json:"twin,omitempty"` // the agent that was refused last under this name; see ActiveDuplicate
}

// A Session is a node in contact. It is bound to the lease of the replica that holds it.
type Session struct {
	BootID  string    `json:"boot_id"`
	Replica string    `json:"replica"`
	Report  Report    `json:"report"`
	Since   time.Time `json:"since"` // when the state that follows from the report began
}

// State is what the registry makes of a node.
type State int

// The states, in the order of the proto.
const (
	Unknown State = iota
	Joining
	Ready
	Degraded
	Unreachable
	Draining
	Gone
	Unmanaged
)

// States names every state, as metrics have them.
func States() map[State]string {
	return map[State]string{Joining: "joining", Ready: "ready", Degraded: "degraded", Unreachable: "unreachable", Draining: "draining",
		Gone: "gone", Unmanaged: "unmanaged"}
}

// StateOf judges a node by its record and its session, nil when there is none. Draining is an operator's word and
// outweighs what the node complains about; a complaint outweighs that nothing is proven yet. A gateway that serves what no snapshot brought
// is unmanaged, whatever else it complains about, as long as it serves.
func StateOf(n Node, s *Session) State {
	switch {
	case s == nil && n.Left:
		return Gone
	case s == nil:
		return Unreachable
	case s.Report.Draining:
		return Draining
	case s.Report.Unmanaged && s.Report.Ready:
		return Unmanaged
	case s.Report.Conditions > 0:
		return Degraded
	case !s.Report.Proven:
		return Joining
	case !s.Report.Ready:
		return Degraded
	}
	return Ready
}

// StateTime is when the state began.
func StateTime(n Node, s *Session) time.Time {
	switch {
	case s != nil:
		return s.Since
	case n.Ended.IsZero():
		return n.Created
	}
	return n.Ended
}

// Lost reports whether a node that was never heard to leave may be forgotten: one that is unreachable and was so without a
// break since an absence began, as whoever asks saw it. An operator's order outlives the node, and so does its record.
func Lost(n Node, s *Session, absent, now time.Time, after time.Duration) bool {
	return after > 0 && StateOf(n, s) == Unreachable && n.Drain == nil && n.Quarantine == nil && !n.Ended.After(absent) &&
		!n.Created.After(absent) && now.Sub(absent) >= after
}

// Forgettable reports whether a node that said goodbye may be forgotten.
func Forgettable(n Node, s *Session, now time.Time, after time.Duration) bool {
	return StateOf(n, s) == Gone && now.Sub(n.Ended) >= after
}
