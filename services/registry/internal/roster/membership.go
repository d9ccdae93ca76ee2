package roster

import (
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// Enrol decides what stands after an agent announced itself: its record and its session. before and session are what stands now, nil
// when there is none. A second agent under a name is refused for as long as the first one's session lasts; the next run of the same agent
// is none.
func Enrol(now time.Time, key Key, before *Node, session *Session, asked Node, opened Session) (Node, Session, error) {
	if session != nil && Taken(*session, asked) {
		return Node{}, Session{}, fault.New(fault.Exists, "NODE_IN_USE", "another agent holds node %q of group %q and renews", key.Node,
			key.Group).
			With("group", string(key.Group)).With("node", string(key.Node))
	}
	asked.Created = now
	if before != nil {
		asked.Created, asked.Last, asked.Ended = before.Created, before.Last, before.Ended
		// An operator's word outlives whatever becomes of the agent.
		asked.Drain, asked.DrainOrder, asked.DrainRequests, asked.Quarantine = before.Drain, before.DrainOrder, before.DrainRequests,
			before.Quarantine
		if before.LastDuplicate != nil && before.LastDuplicate.BootID != asked.BootID {
			asked.LastDuplicate = before.LastDuplicate
		}
		if opened.Report.Empty() && session != nil {
			opened.Report = session.Report
		}
		if len(asked.Capabilities) == 0 {
			// The gateway could not be asked yet; what was known of it stands.
			asked.Capabilities, asked.KongVersion, asked.Schemas = before.Capabilities, before.KongVersion, before.Schemas
		}
	}
	opened.Since = since(now, before, session, asked, opened)
	return asked, opened, nil
}

// Taken reports whether a session is that of another agent than the one that asks.
func Taken(s Session, asked Node) bool {
	return s.BootID != asked.BootID && (asked.Succeeds == "" || s.BootID != asked.Succeeds)
}

// Renew decides the session of a node that renews. claim says that the agent itself came to this replica; without it the replica only
// keeps what it has, and must not take a session back that moved to another.
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

// MayRenew reports whether the agent of a boot is the one that is enrolled.
func MayRenew(n *Node, s *Session, bootID string) bool {
	return n != nil && !n.Left && n.BootID == bootID && (s == nil || s.BootID == bootID)
}

// End decides the record of a node whose session ends.
func End(now time.Time, n Node, last Report, left bool) Node {
	if !last.Empty() {
		n.Last = last
	}
	n.Ended, n.Left = now, left
	return n
}

// NotEnrolled is the answer to a renewal that no enrolment precedes.
func NotEnrolled(key Key) error {
	return fault.New(fault.Missing, "NODE_NOT_ENROLLED", "node %q of group %q is not enrolled with this boot id; enrol again", key.Node,
		key.Group).
		With("group", string(key.Group)).With("node", string(key.Node))
}

// NoNode is the answer to a call that names a node that does not exist.
func NoNode(key Key) error {
	return fault.New(fault.Missing, "NODE_NOT_FOUND", "node %q of group %q does not exist", key.Node, key.Group).
		With("group", string(key.Group)).With("node", string(key.Node))
}

// NoGroup is the answer to a call that names a group that does not exist.
func NoGroup(key Key) error {
	return fault.New(fault.Missing, "GROUP_NOT_FOUND", "group %q does not exist", key.Group).With("group", string(key.Group))
}

// since keeps the time of a state that does not change.
func since(now time.Time, before *Node, was *Session, after Node, is Session) time.Time {
	if before != nil && was != nil && StateOf(*before, was) == StateOf(after, &is) {
		return was.Since
	}
	return now
}
