// Package rollout decides how a group moves from its stable revision to a candidate. It is pure: it reads no clock, keeps no state and
// touches no store. It does not know how a decision is stored or how a directive is sent.
package rollout

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/cost"
	"github.com/silverback-gateway/silverback/kong/target"
)

// A Target is a revision and the digest of its snapshot. The zero Target means none.
type Target struct {
	Revision fleet.Revision `json:"revision,omitempty"`
	Digest   fleet.Digest   `json:"digest,omitempty"`
	// CreateTime is when the revision was committed, from which propagation is measured.
	CreateTime time.Time `json:"create_time,omitzero"`
	// Trace is the span of the submission; empty when it was not traced.
	Trace telemetry.TraceParent `json:"traceparent,omitempty"`
	// Size is how large the snapshot is; zero when the translator does not say.
	Size cost.Size `json:"size,omitzero"`
	// Streak tells which other revisions differ from this one by targets alone; zero when the translator does not say.
	Streak target.Streak `json:"target_streak,omitzero"`
	// Replaces lists what unmanaged gateways may lose by the revision, separated by spaces.
	Replaces string `json:"replaces,omitempty"`
}

// IsZero reports whether there is no target.
func (t Target) IsZero() bool { return t.Revision == 0 }

// Same reports whether two targets are the same revision and content.
func (t Target) Same(other Target) bool {
	return t.Revision == other.Revision && t.Digest == other.Digest
}

// An Assignment says what every node of a group should run. Its reach is the nodes that should run the candidate.
type Assignment struct {
	Stable    Target          `json:"stable,omitzero"`
	Candidate Target          `json:"candidate,omitzero"`
	Rollout   fleet.RolloutID `json:"rollout,omitempty"` // empty: none is open
	Reach
	Held     []Hold         `json:"held,omitempty"` // superseded candidates, the newest first
	Term     fleet.Term     `json:"term"`
	TermID   fleet.TermID   `json:"term_id,omitempty"`
	Since    fleet.Term     `json:"since_term,omitempty"` // see fleet.Lineage
	Ends     []fleet.End    `json:"ends,omitempty"`       // of earlier terms; see fleet.Lineage
	Epoch    fleet.Epoch    `json:"epoch,omitempty"`      // of the ledger, when it was written
	Decision fleet.Decision `json:"-"`                    // the etcd revision at which it was written; see etcdkv.Mark
}

// Stamp orders the assignment among all decisions.
func (a Assignment) Stamp() fleet.Stamp {
	return fleet.Stamp{Epoch: a.Epoch, Decision: a.Decision, Term: a.Term, TermID: a.TermID}
}

// Lineage is what the ledger knew of the group's decisions when it was written.
func (a Assignment) Lineage() fleet.Lineage {
	return fleet.Lineage{Last: a.Stamp(), Since: a.Since, Ends: a.Ends}
}

// Includes reports whether the waves so far include a node at a position.
func (a Assignment) Includes(position uint64) bool {
	return !a.Candidate.IsZero() && a.Has(position)
}

// A Hold keeps nodes at a candidate that did not complete. Either it was superseded, and a wave of its successor will take the nodes on. Or
// it was halted after most of the nodes that it reached served it. Holds stay until a later rollout completes, so that a halt gives each
// node what it had before.
type Hold struct {
	Target Target `json:"target"`
	Reach
}

// maxHolds bounds the holds of an assignment. A rollout that would need one more is not superseded: dropping a hold would send nodes back.
// For the same reason a halt may add one more.
const maxHolds = 32

// Target returns what a node at a position should run; the zero Target means nothing new.
func (a Assignment) Target(position uint64) Target {
	if a.Includes(position) {
		return a.Candidate
	}
	for _, h := range a.Held {
		if h.Has(position) {
			return h.Target
		}
	}
	return a.Stable
}

// left returns the holds after the rollout. They are unchanged when the candidate is withdrawn. Otherwise the candidate becomes a hold on
// the nodes that its waves reached, and replaces the holds that it covers.
func (a Assignment) left(withdrawn bool) []Hold {
	if withdrawn || a.Candidate.IsZero() || a.Reach.IsZero() {
		return a.Held
	}
	held := []Hold{{Target: a.Candidate, Reach: a.Reach}}
	for _, h := range a.Held {
		if !a.covers(h.Reach) {
			held = append(held, h)
		}
	}
	return held
}

// runs reports whether every one of these nodes should run that content, without the candidate.
func (a Assignment) runs(digest fleet.Digest, nodes Reach) bool {
	for _, h := range a.Held {
		if h.Target.Digest != digest {
			return false
		}
		if h.covers(nodes) {
			return true
		}
	}
	return a.Stable.Digest == digest
}

// outside returns how many contents the nodes that it does not reach should run. Nothing counts as one.
func (a Assignment) outside() int {
	contents := map[fleet.Digest]bool{}
	everybody := false
	for _, h := range a.Held {
		if covered := a.covers(h.Reach); !covered {
			contents[h.Target.Digest] = true
		}
		everybody = everybody || h.Threshold == fleet.MaxPosition
	}
	if !everybody {
		contents[a.Stable.Digest] = true // or nothing yet
	}
	return len(contents)
}

// revisions returns what nodes should run without the candidate, in hash order.
func (a Assignment) revisions() (all []fleet.Revision) {
	for _, h := range a.Held {
		all = append(all, h.Target.Revision)
	}
	covered := func(h Hold) bool { return h.Threshold == fleet.MaxPosition }
	if !a.Stable.IsZero() && !slices.ContainsFunc(a.Held, covered) {
		all = append(all, a.Stable.Revision)
	}
	return all
}

// without returns the assignment as it was before the candidate.
func (a Assignment) without() Assignment { return Assignment{Stable: a.Stable, Held: a.Held} }

// A State says how far a rollout has come.
type State string

// The states.
const (
	Waiting     State = "waiting"     // no node is online, or nodes are ahead of the ledger
	Progressing State = "progressing" // nodes are moving
	Soaking     State = "soaking"     // a wave is complete and watched before the next; after the last wave this is the bake
	Completed   State = "completed"   // every online node serves the candidate
	Halted      State = "halted"      // stopped for good
	Superseded  State = "superseded"  // a newer revision took its place
	Paused      State = "paused"      // stopped by an operator; resume continues it
	RolledBack  State = "rolled_back" // the candidate was taken back from every node
)

// Open reports whether a rollout in this state can still change.
func (s State) Open() bool { return s == Waiting || s == Progressing || s == Soaking || s == Paused }

// Words returns the state for people.
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
	// Fallback lists the revisions that the nodes of the group should run after a halt, in hash order.
	Fallback []fleet.Revision `json:"fallback,omitempty"`
	// TookOver is true when this rollout superseded another one between two waves. It is not superseded in the same way.
	TookOver bool `json:"took_over,omitempty"`
	// AtOnce is true when only targets change, so few that the policy lets them go without waves.
	AtOnce bool `json:"at_once,omitempty"`
	// LeftOut holds the positions of nodes that were sick before the candidate reached them. Absentees names some of them; after the end,
	// those that still do not serve it.
	LeftOut   Positions  `json:"left_out,omitempty"`
	Absentees []Absentee `json:"absentees,omitempty"`
	// Suspects holds the positions of nodes that did not serve the candidate of the previous rollout. They count as sick until the candidate
	// reaches them.
	Suspects Positions `json:"suspects,omitempty"`
	// Unserved holds the positions of nodes that did not serve the candidate in time. The next rollout suspects them.
	Unserved Positions `json:"unserved,omitempty"`

	// Orders are the orders that the leader obeyed, the oldest first, at most MaxOrders.
	Orders []Order `json:"orders,omitempty"`
	Paused bool    `json:"paused,omitempty"` // by an order
	// Promoted is the last wave whose soak and gates an operator skipped; 0 means none.
	Promoted int `json:"promoted,omitempty"`
	// Gates holds the results of the gates for the last wave that was judged.
	Gates []GateResult `json:"gates,omitempty"`
	// FailedGate names the gate that ended the rollout.
	FailedGate string `json:"failed_gate,omitempty"`
	// Pinning is set when sources must be pinned after the end.
	Pinning *Pinning `json:"pinning,omitempty"`

	// Times are by the clock of the leader that wrote them. They are for people; Stopwatch measures durations. A changed time restarts its
	// measurement.
	CreateTime time.Time  `json:"create_time"`
	WaveTime   time.Time  `json:"wave_time,omitzero"`    // when the wave began
	SettleTime time.Time  `json:"settle_time,omitzero"`  // when the soak or bake began
	FailTime   time.Time  `json:"failing_time,omitzero"` // when too many nodes began to fail
	LoadTime   time.Time  `json:"load_time,omitzero"`    // when nodes were last told to load, by this rollout or the one before
	EndTime    time.Time  `json:"end_time,omitzero"`
	Term       fleet.Term `json:"term"`
	Ahead      int        `json:"ahead,omitempty"`     // the number of nodes ahead of the ledger; the rollout waits while it is over 0
	AheadTime  time.Time  `json:"ahead_time,omitzero"` // when that was written
}

// An Absentee is a node that a rollout leaves out of its verdict.
type Absentee struct {
	Node     fleet.NodeID `json:"node"`
	Position uint64       `json:"position"`
	Reason   string       `json:"reason"`
}

// MaxAbsentees bounds how many left-out nodes are named.
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
	LeftOut int `json:"left_out,omitempty"` // online, and not in the wave
}

// A Refusal says why a gateway refused a snapshot.
type Refusal struct {
	Node    fleet.NodeID `json:"node"`
	Problem Problem      `json:"problem"`
}

// A Problem names the entity that a gateway refused, and its source when that is known. It holds no values.
type Problem = fleet.Problem

// MaxRefusals bounds the refusals in the record of a rollout.
const MaxRefusals = 16

// A Node is a member of the group as the registry knows it.
type Node struct {
	Name     fleet.NodeID
	Position uint64
	Labels   map[string]string
	Online   bool        // directives can reach it
	Sick     string      // why it cannot serve anything new; empty when it can
	Followed fleet.Stamp // the last decision that it followed, by its own report
	Gateway  cost.Gateway
	// Loaded is the digest of its last load, and Strain by how many times that took longer than the loads before it let expect; 0 is not
	// known.
	Loaded fleet.Digest
	Strain float64
}

// A Tally holds the counts of one replica over its own sessions, for the assignment with that decision.
type Tally struct {
	Decision  fleet.Decision `json:"decision"`
	Threshold uint64         `json:"threshold"`
	// Sessions in the waves so far, by state. People read them, and leaders of older versions.
	Connected int `json:"connected"`
	Serving   int `json:"serving"`
	Loading   int `json:"loading"`
	Refused   int `json:"refused"`
	Failed    int `json:"failed"`
	// The positions of these sessions. A node may be in several tallies: the tally of a killed replica stays for a while, and its agents
	// connect to other replicas meanwhile.
	Nodes    Nodes     `json:"nodes,omitzero"`
	Refusals []Refusal `json:"refusals,omitempty"`
	Failure  string    `json:"failure,omitempty"` // one of the failures
}

// named reports whether a tally names every session that it counted.
func (t Tally) named() bool {
	return len(t.Nodes.Serving)+len(t.Nodes.Loading)+len(t.Nodes.Refused)+len(t.Nodes.Failed) == t.Connected
}

// Equal reports whether two tallies are equal.
func (t Tally) Equal(other Tally) bool {
	same := t.Nodes.equal(other.Nodes)
	t.Nodes, other.Nodes = Nodes{}, Nodes{} // reflection is slow on ten thousand positions
	return same && reflect.DeepEqual(t, other)
}
