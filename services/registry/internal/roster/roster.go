// Package roster holds the rules of the fleet's members: the states of nodes, who may enrol, and what a group's policy may say. It is pure.
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

// A Group is the record of a group. Policy is opaque here; PolicyViolations validates it before it is stored.
type Group struct {
	Name        fleet.GroupID `json:"name"`
	Description string        `json:"description,omitempty"`
	Policy      []byte        `json:"policy,omitempty"`
	Drift       int32         `json:"drift,omitempty"`
	Trusted     []string      `json:"trusted_schemas,omitempty"` // digests of bundles of schemas, sorted
	Created     time.Time     `json:"created"`
	Updated     time.Time     `json:"updated"`
}

// SameContent reports whether two groups are stored alike, except for their times. It compares all stored fields.
func (g Group) SameContent(other Group) bool {
	g.Created, g.Updated = other.Created, other.Updated
	a, errA := json.Marshal(g)
	b, errB := json.Marshal(other)
	return errors.Join(errA, errB) == nil && bytes.Equal(a, b)
}

// A Report is what an agent last reported about its node: what the rules use, and all of it, opaque. The zero Report is none.
type Report struct {
	Received   bool   `json:"said,omitempty"`   // there is a status, even an empty one
	Proven     bool   `json:"proven,omitempty"` // something was proven serving
	Ready      bool   `json:"ready,omitempty"`  // the gateway answers
	Draining   bool   `json:"draining,omitempty"`
	Conditions int    `json:"conditions,omitempty"`
	Unmanaged  bool   `json:"unmanaged,omitempty"` // the gateway serves a configuration that is not a snapshot
	Full       []byte `json:"full,omitempty"`
}

// Empty reports whether there is no report.
func (r Report) Empty() bool { return !r.Received }

func (r Report) same(o Report) bool {
	return r.Received == o.Received && r.Proven == o.Proven && r.Ready == o.Ready && r.Draining == o.Draining && r.Unmanaged == o.Unmanaged &&
		r.Conditions == o.Conditions
}

// Same reports whether two reports are equal.
func (r Report) Same(o Report) bool { return r.same(o) && bytes.Equal(r.Full, o.Full) }

// A Node is the durable record of a node. It is written at enrolments, orders of operators and ends of sessions, never at renewals.
type Node struct {
	BootID       string            `json:"boot_id"`
	Succeeds     string            `json:"-"` // of an enrolment: the boot id of the agent's previous run
	Labels       map[string]string `json:"labels,omitempty"`
	Capabilities []byte            `json:"capabilities,omitempty"`
	KongVersion  string            `json:"kong_version,omitempty"`
	Schemas      string            `json:"schemas,omitempty"` // digest of the bundle that the capabilities name
	AgentVersion string            `json:"agent_version,omitempty"`
	ProxyAddress string            `json:"proxy_address,omitempty"`
	AgentAddress string            `json:"agent_address,omitempty"`
	Created      time.Time         `json:"created"`
	Last         Report            `json:"last"`           // the report when the last session ended
	Ended        time.Time         `json:"ended,omitzero"` // when that session ended
	Left         bool              `json:"left,omitempty"` // the agent left in an orderly way

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
	Since   time.Time `json:"since"` // when the present state began
}

// State is the state of a node, as the registry derives it.
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

// States returns the names of all states, for metrics.
func States() map[State]string {
	return map[State]string{Joining: "joining", Ready: "ready", Degraded: "degraded", Unreachable: "unreachable", Draining: "draining",
		Gone: "gone", Unmanaged: "unmanaged"}
}

// StateOf derives the state from the record and the session, nil for none. Draining takes precedence over conditions, and conditions over
// an unproven snapshot. A gateway that serves something other than a snapshot is unmanaged, whatever its conditions.
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

// Lost reports whether a node that did not leave may be forgotten: it is unreachable, and was so since absence began without a break. A
// node with an operator's order is kept.
func Lost(n Node, s *Session, absent, now time.Time, after time.Duration) bool {
	return after > 0 && StateOf(n, s) == Unreachable && n.Drain == nil && n.Quarantine == nil && !n.Ended.After(absent) &&
		!n.Created.After(absent) && now.Sub(absent) >= after
}

// Forgettable reports whether a node that left may be forgotten.
func Forgettable(n Node, s *Session, now time.Time, after time.Duration) bool {
	return StateOf(n, s) == Gone && now.Sub(n.Ended) >= after
}
