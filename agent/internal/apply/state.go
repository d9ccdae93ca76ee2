package apply

import (
	"fmt"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/inventory"
)

// State is everything that decisions depend on. It is a value: Decide returns a new one, and nothing else changes it.
type State struct {
	Memory  lastgood.Memory   // survives a restart of the agent
	Good    lastgood.Snapshot // the last known good on disk; zero when there is none
	Pending Expectation       // a candidate that an earlier run left unfinished; zero when there is none. An empty hash is not known
	Stale   *Stale            // the newest directive when it was refused as stale, else nil

	Wanted    Wanted
	Serving   Serving
	Gateway   Gateway
	Drift     Drift
	Restore   Restores
	Unmanaged Unmanaged
	Disk      Disk
}

// Wanted is the snapshot of the newest directive, and how its load is going.
type Wanted struct {
	Snapshot lastgood.Snapshot // zero before the first directive
	ReplyTo  ReplyTo
	Replaces []string // unmanaged configurations that the directive may replace

	Stage    LoadStage
	Attempts int             // failed loads
	Suspects int             // failed loads in a row that may be the configuration's fault (fact F14)
	RetryAt  time.Time       // of the next load; zero when none is scheduled
	Failure  verdict.Failure // of the last load; zero when it did not fail
	Problems []verdict.Problem
	HeldBack string // why the snapshot is not loaded into an unmanaged gateway; empty when it may be, or was not tried
}

// LoadStage is how far a load is.
type LoadStage int

// The stages of a load.
const (
	Idle      LoadStage = iota // no load
	Preparing                  // decided; nothing is posted yet, for example because the gap since the last load is not over
	Posting                    // the post has begun; it lasts until the load ended
)

// Serving is the snapshot that was proven last.
type Serving struct {
	Snapshot lastgood.Snapshot
	Proven   bool // nothing happened since the proof that could have changed what the gateway serves
	Ack      verdict.Ack
	Loads    int64
	Failure  verdict.Failure // of the last attempt to prove what the gateway runs already; zero when it did not fail
}

// Gateway is the last observation of the gateway.
type Gateway struct {
	Observed      bool // there was an observation, successful or not
	EverReachable bool
	Uninspected   bool // its capabilities were not read since it started
	Reachable     bool
	Ready         bool
	Unready       string // Kong's reason
	Empty         bool   // it runs nothing, or a configuration without entities (fact F5)
	Workers       string // identifies the worker processes
	Restarts      int64
}

// Drift compares what the gateway runs with what it should run.
type Drift struct {
	Expected []Expectation // several while it is not known which; none before the first load
	Finding  drift.Finding
	Found    fleet.GatewayHash
	FoundAt  time.Time // of the last change of Found or Finding
	Count    int64
}

// Restores counts how often the last known good was loaded again.
type Restores struct {
	Count    int64
	Failures int       // in a row
	RetryAt  time.Time // no restore before
	Error    string    // of the last one; empty when it succeeded
}

// Unmanaged is a configuration that the gateway serves and no snapshot brought. It is zero when the gateway serves nothing, or one of ours.
type Unmanaged struct {
	Hash      fleet.GatewayHash
	Inventory inventory.Inventory // of what can be read
	Unread    string              // why it cannot be read; empty when it can
	At        time.Time           // of the last attempt to read it
}

// Disk holds the problems with files. Each is empty when there is none.
type Disk struct {
	StateDir string
	BootFile string
	Memory   string // the memory could not be read at the start
}

// Stale is a directive that is older than one that was followed, or of a ledger that lost that one.
type Stale struct{ Followed, Offered fleet.Stamp }

// String names both decisions.
func (s Stale) String() string {
	if !s.Followed.After(s.Offered) {
		return fmt.Sprintf("stale decision: the control plane offers %s, and its ledger does not have %s, which this node follows",
			s.Offered, s.Followed)
	}
	return fmt.Sprintf("stale decision: the control plane offers %s, and this node follows the newer %s", s.Offered, s.Followed)
}

// Expectation is a snapshot and the hash that the gateway reports when it runs it.
type Expectation struct {
	Snapshot lastgood.Snapshot
	Hash     fleet.GatewayHash
}

// Start returns the first state of an agent, made of what its disk holds.
func Start(memory lastgood.Memory, good lastgood.Snapshot, pending Expectation) State {
	if memory.Serving.Digest == good.Digest {
		good = memory.Serving
	}
	s := State{Memory: memory, Good: good, Pending: pending}
	if _, refused := s.refused(pending.Snapshot.Digest); refused || memory.Stamp().After(pending.Snapshot.Stamp()) {
		s.Pending = Expectation{} // refused before, or superseded
	}
	return s
}

// fresh reports whether the gateway runs nothing and was never given anything. It is not ready then, which is no problem.
func (s State) fresh() bool {
	return s.Gateway.Empty && s.Good.Digest == "" && len(s.Drift.Expected) == 0 && s.Wanted.Failure.Reason == 0
}

// NextWake is when Decide wants a Tick; zero when it wants none.
func (s State) NextWake() time.Time { return s.Wanted.RetryAt }

// rememberHash remembers the hash under which the gateway runs, or would run, a snapshot.
func (s State) rememberHash(hash fleet.GatewayHash, of lastgood.Snapshot, refused bool) State {
	if hash == "" || hash == fleet.NoGatewayHash {
		return s
	}
	kept := slices.DeleteFunc(slices.Clone(s.Memory.Known), func(k lastgood.Known) bool { return k.Hash == hash })
	kept = append(kept, lastgood.Known{Hash: hash, Digest: of.Digest, Revision: of.Revision, Refused: refused})
	s.Memory.Known = kept[max(0, len(kept)-lastgood.MaxKnown):]
	return s
}

// snapshotOf returns our snapshot that runs under a hash.
func (s State) snapshotOf(hash fleet.GatewayHash) (lastgood.Known, bool) {
	at := slices.IndexFunc(s.Memory.Known, func(k lastgood.Known) bool { return k.Hash == hash })
	if at < 0 {
		return lastgood.Known{}, false
	}
	return s.Memory.Known[at], true
}

// maxInterval bounds the time to the next observation; zero means the configured interval. It is short while the gateway does
// not answer, and a little longer while it is not ready, not inspected, or not proven to serve what it should.
func (s State) maxInterval() time.Duration {
	unproven := s.Drift.Finding == drift.Same && len(s.Drift.Expected) > 0 && !s.Serving.Proven && s.Wanted.RetryAt.IsZero()
	switch {
	case !s.Gateway.Reachable:
		return lastAway
	case !s.Gateway.Ready || s.Gateway.Uninspected || unproven:
		return lastUnready
	}
	return 0
}

func (s State) refused(digest fleet.Digest) ([]verdict.Problem, bool) {
	at := slices.IndexFunc(s.Memory.Refused, func(r lastgood.Refused) bool { return r.Digest == digest })
	if at < 0 {
		return nil, false
	}
	return s.Memory.Refused[at].Problems, true
}

// serves is what the gateway was proven to serve and still serves; empty when that is not known.
func (s State) serves() fleet.Digest {
	if !s.Serving.Proven {
		return ""
	}
	return s.Serving.Snapshot.Digest
}

// proven returns the state after a proof.
func (s State) proven(snapshot lastgood.Snapshot, ack verdict.Ack) State {
	s.Serving.Snapshot, s.Serving.Proven, s.Serving.Ack, s.Serving.Failure = snapshot, true, ack, verdict.Failure{}
	return s
}

// load schedules a load of a snapshot. Arrived is zero for a retry.
func (s State) load(snapshot lastgood.Snapshot, arrived time.Time) (State, Action) {
	s.Wanted.Snapshot, s.Wanted.Stage, s.Wanted.HeldBack = snapshot, Preparing, ""
	return s, Load{Snapshot: snapshot, Arrived: arrived}
}

// reset forgets the failed attempts.
func (w Wanted) reset() Wanted {
	w.Attempts, w.Suspects, w.RetryAt, w.Failure = 0, 0, time.Time{}, verdict.Failure{}
	return w
}
