// Package rollout decides how a group moves from its stable revision to a candidate. It is pure: it reads no clock, keeps
// nothing and touches no store. It refuses to know how a decision is stored or how a directive travels.
package rollout

import (
	"reflect"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// A Target is a revision and its snapshot. The zero Target is none.
type Target struct {
	Revision fleet.Revision `json:"revision,omitempty"`
	Digest   fleet.Digest   `json:"digest,omitempty"`
	// CreateTime is when the revision was committed, from which propagation is measured.
	CreateTime time.Time `json:"create_time,omitzero"`
	// Trace is where its submission is in a trace; empty when that was not traced.
	Trace telemetry.TraceParent `json:"traceparent,omitempty"`
	// Replaces names, with spaces between, what unmanaged gateways may lose by the revision.
	Replaces string `json:"replaces,omitempty"`
}

// IsZero is true for no target.
func (t Target) IsZero() bool { return t.Revision == 0 }

// Same reports whether two targets are the same revision and content.
func (t Target) Same(other Target) bool {
	return t.Revision == other.Revision && t.Digest == other.Digest
}

// An Assignment says what every node of a group should run. It stays small however many nodes there are: a threshold in
// the group's hash order splits them.
type Assignment struct {
	Stable    Target          `json:"stable,omitzero"`
	Candidate Target          `json:"candidate,omitzero"`
	Rollout   fleet.RolloutID `json:"rollout,omitempty"` // empty: none is open
	Threshold uint64          `json:"threshold,omitempty"`
	Held      []Hold          `json:"held,omitempty"` // superseded candidates, the newest first
	Term      fleet.Term      `json:"term"`
	Epoch     fleet.Epoch     `json:"epoch,omitempty"` // of the ledger, when it was written
	Decision  fleet.Decision  `json:"-"`               // the etcd revision at which it was written
}

// Stamp is its place among all decisions.
func (a Assignment) Stamp() fleet.Stamp {
	return fleet.Stamp{Epoch: a.Epoch, Decision: a.Decision}
}

// Includes reports whether a node at a position is in the waves so far.
func (a Assignment) Includes(position uint64) bool {
	return !a.Candidate.IsZero() && position < a.Threshold
}

// A Hold keeps nodes at a candidate that did not complete: one that was superseded, until a wave of its successor takes them on, or one
// that was proven on most of the nodes that it reached before it was halted. Holds outlive the rollouts after them until one completes, so
// that a halt gives each node back what it had before.
type Hold struct {
	Target    Target `json:"target"`
	Threshold uint64 `json:"threshold"`
}

// maxHolds bounds an assignment. A rollout that would need one more is not superseded: no hold is ever given up, for that would send nodes
// back. A halt may leave one beyond them for the same reason.
const maxHolds = 32

// Target returns what a node at a position should run; the zero Target is nothing new.
func (a Assignment) Target(position uint64) Target {
	if a.Includes(position) {
		return a.Candidate
	}
	for _, h := range a.Held {
		if position < h.Threshold {
			return h.Target
		}
	}
	return a.Stable
}

// left returns what is held once the candidate is none any more: as before it when it is withdrawn, and otherwise with the
// candidate where its waves have come to. Holds that it covers are of no use any more.
func (a Assignment) left(withdrawn bool) []Hold {
	if withdrawn || a.Candidate.IsZero() || a.Threshold == 0 {
		return a.Held
	}
	held := []Hold{{Target: a.Candidate, Threshold: a.Threshold}}
	for _, h := range a.Held {
		if h.Threshold > a.Threshold {
			held = append(held, h)
		}
	}
	return held
}

// runs reports whether every node below a threshold is to run that content, the candidate apart.
func (a Assignment) runs(digest fleet.Digest, threshold uint64) bool {
	for _, h := range a.Held {
		if h.Target.Digest != digest {
			return false
		}
		if h.Threshold >= threshold {
			return true
		}
	}
	return a.Stable.Digest == digest
}

// revisions are what nodes are to run, the candidate apart; those of the first nodes in the hash order come first.
func (a Assignment) revisions() (all []fleet.Revision) {
	for _, h := range a.Held {
		all = append(all, h.Target.Revision)
	}
	covered := len(a.Held) > 0 && a.Held[len(a.Held)-1].Threshold == fleet.MaxPosition
	if !a.Stable.IsZero() && !covered {
		all = append(all, a.Stable.Revision)
	}
	return all
}

// without returns the assignment without its candidate: each node that the candidate had reached has what it had before, and every other
// keeps what it has.
func (a Assignment) without() Assignment { return Assignment{Stable: a.Stable, Held: a.Held} }

// A State says how far a rollout has come.
type State string

// The states.
const (
	Waiting     State = "waiting"     // no node is online, and it begins with the first; or nodes are ahead of the ledger
	Progressing State = "progressing" // nodes are moving
	Soaking     State = "soaking"     // a wave is complete and watched before the next; after the last wave this is the bake
	Completed   State = "completed"   // every online node serves the candidate
	Halted      State = "halted"      // stopped for good
	Superseded  State = "superseded"  // a newer revision took its place
	Paused      State = "paused"      // stopped by an operator for the time being
	RolledBack  State = "rolled_back" // the candidate was taken back from every node that it had reached
)

// Open reports whether a rollout in this state still decides anything.
func (s State) Open() bool { return s == Waiting || s == Progressing || s == Soaking || s == Paused }

// Words is the state as people write it.
func (s State) Words() string { return strings.ReplaceAll(string(s), "_", " ") }

// A Rollout is the move of a group from its stable revision to a candidate.
type Rollout struct {
	Group     fleet.GroupID   `json:"group"`
	ID        fleet.RolloutID `json:"id"`
	Stable    Target          `json:"stable,omitzero"`
	Candidate Target          `json:"candidate"`
	State     State           `json:"state"`
	Policy    Policy          `json:"policy"`
	Wave      int             `json:"wave"` // from 1; 0 before the first
	Reason    string          `json:"reason,omitempty"`
	Refusals  []Refusal       `json:"refusals,omitempty"`
	Progress  Progress        `json:"progress"`
	// Fallback is what the nodes of the group are to run after a halt, those of the first nodes in the hash order first.
	Fallback []fleet.Revision `json:"fallback,omitempty"`
	// TookOver is true when it took the place of another one at a gate. It goes to its own end then.
	TookOver bool `json:"took_over,omitempty"`
	// LeftOut is where the nodes are that were sick before the candidate reached them, and Absentees names some of them for people: at the end
	// those that still do not serve it.
	LeftOut   Positions  `json:"left_out,omitempty"`
	Absentees []Absentee `json:"absentees,omitempty"`
	// Suspects is where the nodes are that did not come to serve the candidate of the rollout before. They count as sick until they are
	// reached.
	Suspects Positions `json:"suspects,omitempty"`
	// Unserved is where the nodes are that did not come to serve the candidate although they had their time. The next rollout leaves them out.
	Unserved Positions `json:"unserved,omitempty"`

	// Orders are those that the leader obeyed, the oldest first, at most MaxOrders.
	Orders []Order `json:"orders,omitempty"`
	Paused bool    `json:"paused,omitempty"` // by an order
	// Promoted is the last wave whose soak and gates an operator ended; 0 is none.
	Promoted int `json:"promoted,omitempty"`
	// Gates is what the gates said of the last wave that was judged.
	Gates []GateResult `json:"gates,omitempty"`
	// Pinning is set when sources are to be pinned after the end.
	Pinning *Pinning `json:"pinning,omitempty"`

	// Times are by the clock of the leader that wrote them, and are for people. What they measure is measured by Stopwatch; that they change
	// says when to begin anew.
	CreateTime time.Time  `json:"create_time"`
	WaveTime   time.Time  `json:"wave_time,omitzero"`    // when the wave began
	SettleTime time.Time  `json:"settle_time,omitzero"`  // when the soak or bake began
	FailTime   time.Time  `json:"failing_time,omitzero"` // since when too many nodes fail
	EndTime    time.Time  `json:"end_time,omitzero"`
	Term       fleet.Term `json:"term"`
	Ahead      int        `json:"ahead,omitempty"`     // how many nodes are ahead of the ledger, for which it waits
	AheadTime  time.Time  `json:"ahead_time,omitzero"` // when that was written
}

// An Absentee is a node that a rollout leaves out of its verdict.
type Absentee struct {
	Node     fleet.NodeID `json:"node"`
	Position uint64       `json:"position"`
	Reason   string       `json:"reason"`
}

// MaxAbsentees bounds how many of the nodes that are left out are named.
const MaxAbsentees = 16

// Progress counts the nodes of a rollout by where they are.
type Progress struct {
	Online  int `json:"online"`
	InWave  int `json:"in_wave"`
	Serving int `json:"serving"`
	Refused int `json:"refused"`
	Failed  int `json:"failed"`
	Loading int `json:"loading"`
	Offline int `json:"offline"`
	LeftOut int `json:"left_out,omitempty"` // of the online ones; not in the wave
}

// A Refusal is a gateway's no to a snapshot.
type Refusal struct {
	Node    fleet.NodeID `json:"node"`
	Problem Problem      `json:"problem"`
}

// A Problem names what a gateway refused, and whose it is when that is known. It holds no values.
type Problem = fleet.Problem

// MaxRefusals bounds what a rollout remembers of the refusals it saw.
const MaxRefusals = 16

// A Node is a member of the group as the registry knows it.
type Node struct {
	Name     fleet.NodeID
	Position uint64
	Online   bool        // it can be told what to run
	Sick     string      // why it cannot be expected to serve anything new, in words; empty when it can
	Followed fleet.Stamp // the last decision that it followed, as it says
}

// A Tally is what one replica counted of its own sessions. Its numbers are as of the assignment with that decision.
type Tally struct {
	Decision  fleet.Decision `json:"decision"`
	Threshold uint64         `json:"threshold"`
	// How many sessions are in the waves so far, and where they are: for eyes, and for a leader of an older version.
	Connected int `json:"connected"`
	Serving   int `json:"serving"`
	Loading   int `json:"loading"`
	Refused   int `json:"refused"`
	Failed    int `json:"failed"`
	// Which sessions these are, for a node may be in several tallies: a replica that was killed leaves its own behind for a
	// while, and its agents are counted elsewhere meanwhile.
	Nodes    Nodes     `json:"nodes,omitzero"`
	Refusals []Refusal `json:"refusals,omitempty"`
	Failure  string    `json:"failure,omitempty"` // one of the failures, in words
}

// named reports whether a tally names every session that it counted.
func (t Tally) named() bool {
	return len(t.Nodes.Serving)+len(t.Nodes.Loading)+len(t.Nodes.Refused)+len(t.Nodes.Failed) == t.Connected
}

// Equal reports whether two tallies say the same.
func (t Tally) Equal(other Tally) bool {
	same := t.Nodes.equal(other.Nodes)
	t.Nodes, other.Nodes = Nodes{}, Nodes{} // by reflection ten thousand places take long
	return same && reflect.DeepEqual(t, other)
}
