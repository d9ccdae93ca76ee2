package roster

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// Enrol returns the record and the session of a node that enrols. before and session are the present ones, nil when there are none. A
// second agent of the same name is refused while the first one's session lasts. The next run of the same agent is no second agent.
func Enrol(now time.Time, key Key, before *Node, session *Session, asked Node, opened Session) (Node, Session, error) {
	if session != nil && Taken(*session, asked) {
		return Node{}, Session{}, fault.New(fault.Exists, "NODE_IN_USE", "another agent holds node %q of group %q and renews", key.Node,
			key.Group).
			With("group", string(key.Group)).With("node", string(key.Node))
	}
	asked.Created = now
	if before != nil {
		asked.Created, asked.Last, asked.Ended = before.Created, before.Last, before.Ended
		// Orders of operators outlive the agent.
		asked.Drain, asked.DrainOrder, asked.DrainRequests, asked.Quarantine = before.Drain, before.DrainOrder, before.DrainRequests,
			before.Quarantine
		if before.LastDuplicate != nil && before.LastDuplicate.BootID != asked.BootID {
			asked.LastDuplicate = before.LastDuplicate
		}
		if opened.Report.Empty() && session != nil {
			opened.Report = session.Report
		}
		if len(asked.Capabilities) == 0 {
			// The gateway did not answer yet: keep what is known.
			asked.Capabilities, asked.KongVersion, asked.Schemas = before.Capabilities, before.KongVersion, before.Schemas
		}
	}
	opened.Since = since(now, before, session, asked, opened)
	return asked, opened, nil
}

// Taken reports whether a session belongs to another agent.
func Taken(s Session, asked Node) bool {
	return s.BootID != asked.BootID && (asked.Succeeds == "" || s.BootID != asked.Succeeds)
}

// Renew returns the session of a node that renews. claim means that the agent called this replica. Without it the replica only keeps its
// own session, and must not take back one that moved.
func Renew(now time.Time, key Key, before *Node, session *Session, next Session, claim bool) (Session, error) {
	if !MayRenew(before, session, next.BootID) {
		return Session{}, NotEnrolled(key)
	}
	if session != nil && session.Replica != next.Replica && !claim {
		return Session{}, fault.New(fault.WrongState, "SESSION_MOVED", "the session of node %q moved to another replica", key.Node)
	}
	if next.Report.Empty() {
		if session != nil {
			next.Report = session.Report
		} else {
			next.Report = before.Last
		}
	}
	next.Since = since(now, before, session, *before, next)
	return next, nil
}

// MayRenew reports whether the agent of a boot is enrolled.
func MayRenew(n *Node, s *Session, bootID string) bool {
	return n != nil && !n.Left && n.BootID == bootID && (s == nil || s.BootID == bootID)
}

// End returns the record of a node whose session ends.
func End(now time.Time, n Node, last Report, left bool) Node {
	if !last.Empty() {
		n.Last = last
	}
	n.Ended, n.Left = now, left
	return n
}

// NotEnrolled is the fault of a renewal without an enrolment.
func NotEnrolled(key Key) error {
	return fault.New(fault.Missing, "NODE_NOT_ENROLLED", "node %q of group %q is not enrolled with this boot id; enrol again", key.Node,
		key.Group).
		With("group", string(key.Group)).With("node", string(key.Node))
}

// NoNode is the fault of a call that names an unknown node.
func NoNode(key Key) error {
	return fault.New(fault.Missing, "NODE_NOT_FOUND", "node %q of group %q does not exist", key.Node, key.Group).
		With("group", string(key.Group)).With("node", string(key.Node))
}

// NoGroup is the fault of a call that names an unknown group.
func NoGroup(key Key) error {
	return fault.New(fault.Missing, "GROUP_NOT_FOUND", "group %q does not exist", key.Group).With("group", string(key.Group))
}

// since returns when the state began: before, if it does not change.
func since(now time.Time, before *Node, was *Session, after Node, is Session) time.Time {
	if before != nil && was != nil && StateOf(*before, was) == StateOf(after, &is) {
		return was.Since
	}
	return now
}
