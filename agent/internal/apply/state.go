package apply

import (
	"fmt"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// State is all that decisions rest on. It is a value: Decide returns a new one.
type State struct {
	Memory lastgood.Memory   // what survives a restart
	Good   lastgood.Snapshot // the last known good on disk; zero when there is none

	Wanted   lastgood.Snapshot // what the newest directive asks for; zero before the first
	ReplyTo  ReplyTo
	Arrived  time.Time
	Attempts int             // failed loads of Wanted
	Suspects int             // of them, in a row, such as may be the configuration's fault (fact F14)
	RetryAt  time.Time       // when Wanted is loaded again; zero: not at all
	Failure  verdict.Failure // the last of Wanted; zero when it did not fail
	Problems []verdict.Problem

	Served   Served   // what a gateway that was never given anything serves; zero when it serves nothing, or something of ours
	Kept     string   // why Wanted is not loaded into an unmanaged gateway; empty when it may be, or was not tried
	Replaces []string // what the newest directive may take from unmanaged gateways

	Stale *Stale // the newest directive, when it was refused for its age; nil when it was not

	Serving lastgood.Snapshot // what was proven last
	Proven  bool              // and nothing happened since that could have changed it
	Ack     verdict.Ack
	Loads   int64
	Doubt   verdict.Failure // of the last attempt to prove what the gateway runs already; zero when it did not fail

	// Pending is the candidate that an earlier run of the agent did not finish with; zero when there is none, or it was
	// looked for already. Its hash is empty when it cannot be told yet.
	Pending Expectation

	Left []Expectation // what the gateway should be found with: several while it is not known, none before the first load

	Observed      bool // the gateway was looked at
	EverReachable bool // and answered
	Uninspected   bool // it was not asked what it is since it was started
	Reachable     bool
	Ready         bool
	Unready       string
	Empty         bool // it runs nothing, or a configuration without entities (fact F5)
	Workers       string
	Finding       drift.Finding
	Found         fleet.GatewayHash
	FoundAt       time.Time // when what was found last differed from what was left
	Drifts        int64
	Restarts      int64 // times the gateway was seen to have been started anew
	Healed        int64 // times the last known good was given back

	Restores   int       // failed ones in a row
	RestoreAt  time.Time // not before
	RestoreErr string
}

// Stale is a directive that is older than one that was followed.
type Stale struct{ Followed, Offered fleet.Stamp }

// String says both, for people.
func (s Stale) String() string {
	return fmt.Sprintf("the control plane offers %s, and this node follows %s, which is newer", s.Offered, s.Followed)
}

// Expectation is what a load leaves in a gateway.
type Expectation struct {
	Snapshot lastgood.Snapshot
	Hash     fleet.GatewayHash
}

// Start returns the state of an agent that just started with what its disk holds.
func Start(memory lastgood.Memory, good lastgood.Snapshot, pending Expectation) State {
	if memory.Serving.Digest == good.Digest {
		good = memory.Serving
	}
	s := State{Memory: memory, Good: good, Pending: pending}
	if _, refused := s.refused(pending.Snapshot.Digest); refused || memory.Stamp().After(pending.Snapshot.Stamp()) {
		s.Pending = Expectation{} // judged already, or the group has moved on
	}
	return s
}

// fresh reports whether the gateway runs nothing, and was never given anything: that it is not ready yet is nothing to complain about.
func (s State) fresh() bool {
	return s.Empty && s.Good.Digest == "" && len(s.Left) == 0 && s.Failure.Reason == 0
}

// NextWake is when Decide wants to be asked again with a Tick; zero: not of its own.
func (s State) NextWake() time.Time { return s.RetryAt }

// rememberHash remembers the hash of what was posted, or would be.
func (s State) rememberHash(hash fleet.GatewayHash, of lastgood.Snapshot, refused bool) State {
	if hash == "" || hash == fleet.NoGatewayHash {
		return s
	}
	kept := slices.DeleteFunc(slices.Clone(s.Memory.Known), func(k lastgood.Known) bool { return k.Hash == hash })
	kept = append(kept, lastgood.Known{Hash: hash, Digest: of.Digest, Revision: of.Revision, Refused: refused})
	s.Memory.Known = kept[max(0, len(kept)-lastgood.MaxKnown):]
	return s
}

// snapshotOf says which of our snapshots runs under a hash.
func (s State) snapshotOf(hash fleet.GatewayHash) (lastgood.Known, bool) {
	at := slices.IndexFunc(s.Memory.Known, func(k lastgood.Known) bool { return k.Hash == hash })
	if at < 0 {
		return lastgood.Known{}, false
	}
	return s.Memory.Known[at], true
}

// maxInterval is how long the next look may wait at most; zero: as long as it does when all is well. It is short while the gateway does not
// answer, and a little longer while it does not answer all questions, is not ready, or could not be seen serving what it should.
func (s State) maxInterval() time.Duration {
	switch {
	case !s.Reachable:
		return lastAway
	case !s.Ready || s.Uninspected || s.Finding == drift.Same && len(s.Left) > 0 && !s.Proven && s.RetryAt.IsZero():
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

// An Event is something that happened. The set is closed.
type Event interface{ event() }

type (
	// DirectiveReceived: a directive was taken from the mailbox.
	DirectiveReceived struct{ Directive Directive }
	// LoadEnded: a load is over. Err is nil, a *verdict.Refusal or a *verdict.Failure.
	LoadEnded struct {
		Snapshot  lastgood.Snapshot
		Hash      fleet.GatewayHash // of the posted bytes; empty when it did not come to that
		Ack       verdict.Ack
		Err       error
		Served    bool // it was proven, though saving it failed
		Healthy   bool // the gateway answers well otherwise; asked after an error only
		Abandoned bool // something newer is waiting; nothing was posted
	}
	// RestoreEnded: giving the last known good back is over.
	RestoreEnded struct {
		Snapshot lastgood.Snapshot
		Hash     fleet.GatewayHash
		Ack      verdict.Ack
		Err      error
		Posted   bool // it did not run it already
	}
	// VerifyEnded: proving what the gateway already runs is over.
	VerifyEnded struct {
		Snapshot lastgood.Snapshot
		Ack      verdict.Ack
		Err      error
	}
	// Observed: the gateway was looked at.
	Observed struct {
		Observation gateway.Observation
		Err         error
		Policy      drift.Policy
	}
	// Inspected: the gateway said what it is; the fingerprint changes when it may judge differently.
	Inspected struct{ Fingerprint string }
	// ConfigurationRead: it was read what the gateway serves.
	ConfigurationRead struct{ Served Served }
	// SpotCheckFailed: something else than what was proven answered.
	SpotCheckFailed struct{}
	// Tick: NextWake has come.
	Tick struct{}
)

func (DirectiveReceived) event() {}
func (LoadEnded) event()         {}
func (RestoreEnded) event()      {}
func (VerifyEnded) event()       {}
func (Observed) event()          {}
func (Inspected) event()         {}
func (ConfigurationRead) event() {}
func (SpotCheckFailed) event()   {}
func (Tick) event()              {}

// An Action is something to do. The set is closed.
type Action interface{ action() }

type (
	// Load asks to post and prove a snapshot, and to save it; it ends in LoadEnded.
	Load struct {
		Snapshot lastgood.Snapshot
		Arrived  time.Time // zero on a retry: then the load time counts from its own start
	}
	// Restore asks to bring the gateway back to the last known good; it ends in RestoreEnded.
	Restore struct{ Snapshot lastgood.Snapshot }
	// Verify asks to prove what the gateway runs already; it ends in VerifyEnded.
	Verify struct{ Expectation Expectation }
	// Inspect asks what the gateway is; it ends in Inspected, when it answers.
	Inspect struct{}
	// ReadConfiguration asks what a gateway serves that no snapshot brought; it ends in ConfigurationRead.
	ReadConfiguration struct{ Hash fleet.GatewayHash }
	// Outcome sends an outcome: exactly one of its three verdicts is set.
	Outcome struct {
		ReplyTo  ReplyTo
		Snapshot lastgood.Snapshot
		Ack      *verdict.Ack
		Refusal  *verdict.Refusal
		Failure  *verdict.Failure
		Serving  fleet.Digest // what the gateway serves instead
	}
	// Reopen asks for a new hello: what the control plane was told of refusals holds no more.
	Reopen struct{}
	// Remember writes State.Memory to disk.
	Remember struct{}
	// Drifted counts a drift and logs it.
	Drifted struct {
		Finding drift.Finding
		Healing bool
	}
)

func (Load) action()              {}
func (Restore) action()           {}
func (Verify) action()            {}
func (Inspect) action()           {}
func (ReadConfiguration) action() {}
func (Outcome) action()           {}
func (Reopen) action()            {}
func (Remember) action()          {}
func (Drifted) action()           {}
