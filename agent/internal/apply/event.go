package apply

import (
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// An Event is something that happened. The set is closed. The first state and the events, each with its Moment, give every later state.
type Event interface{ event() }

type (
	// DirectiveReceived: a directive was taken from the mailbox.
	DirectiveReceived struct{ Directive Directive }
	// PostBegins: a load is about to post.
	PostBegins struct{}
	// LoadEnded: a load is over. Err is nil, a *verdict.Refusal or a *verdict.Failure.
	LoadEnded struct {
		Snapshot  lastgood.Snapshot
		Hash      fleet.GatewayHash // of the posted bytes; empty when nothing was posted
		Ack       verdict.Ack
		Err       error
		Served    bool // it was proven, even if saving it failed
		Saved     bool // it is the last known good on disk
		Healthy   bool // the gateway answers other requests; set after an error only
		Abandoned bool // a newer directive is waiting; nothing was posted
		// Sample is what the load took; nil when it was not proven, or the gateway ran the snapshot already.
		Sample *cost.Sample
	}
	// RestoreEnded: a restore of the last known good is over.
	RestoreEnded struct {
		Snapshot lastgood.Snapshot
		Hash     fleet.GatewayHash
		Ack      verdict.Ack
		Err      error
		Posted   bool // false when the gateway ran it already
	}
	// VerifyEnded: a proof of what the gateway runs already is over.
	VerifyEnded struct {
		Snapshot lastgood.Snapshot
		Ack      verdict.Ack
		Err      error
	}
	// Observed: the gateway's status was read, or not.
	Observed struct {
		Observation gateway.Observation
		Err         error
		Policy      drift.Policy
	}
	// Inspected: the gateway's capabilities were read. A changed fingerprint means that it may validate configurations differently.
	Inspected struct{ Fingerprint, KongVersion string }
	// ConfigurationRead: the gateway's configuration was read.
	ConfigurationRead struct{ Unmanaged Unmanaged }
	// SpotCheckFailed: an answer of the proxy was not of what was proven.
	SpotCheckFailed struct{}
	// StateDirChecked: the state directory was written to. Problem is empty when that succeeded.
	StateDirChecked struct{ Problem string }
	// BootFileChecked: the boot file was found writable, or not. Problem is empty when it was.
	BootFileChecked struct{ Problem string }
	// BootFileWritten: the boot file holds these bytes.
	BootFileWritten struct {
		Form        string
		Expressions bool
		Hash        fleet.GatewayHash
	}
	// Tick: NextWake has come.
	Tick struct{}
)

func (DirectiveReceived) event() {}
func (PostBegins) event()        {}
func (LoadEnded) event()         {}
func (RestoreEnded) event()      {}
func (VerifyEnded) event()       {}
func (Observed) event()          {}
func (Inspected) event()         {}
func (ConfigurationRead) event() {}
func (SpotCheckFailed) event()   {}
func (StateDirChecked) event()   {}
func (BootFileChecked) event()   {}
func (BootFileWritten) event()   {}
func (Tick) event()              {}

// An Action is something to do. The set is closed.
type Action interface{ action() }

type (
	// Load posts, proves and saves a snapshot. It ends in LoadEnded.
	Load struct {
		Snapshot lastgood.Snapshot
		Arrived  time.Time // of the directive; zero on a retry, whose load time counts from its own start
	}
	// Restore loads the last known good, unless the gateway runs it. It ends in RestoreEnded.
	Restore struct{ Snapshot lastgood.Snapshot }
	// Verify proves what the gateway runs already. It ends in VerifyEnded.
	Verify struct{ Expectation Expectation }
	// Inspect reads the gateway's capabilities. It ends in Inspected when the gateway answers.
	Inspect struct{}
	// ReadConfiguration reads a configuration that no snapshot brought. It ends in ConfigurationRead.
	ReadConfiguration struct{ Hash fleet.GatewayHash }
	// Outcome is sent to the control plane. Exactly one of its three verdicts is set.
	Outcome struct {
		ReplyTo  ReplyTo
		Snapshot lastgood.Snapshot
		Ack      *verdict.Ack
		Refusal  *verdict.Refusal
		Failure  *verdict.Failure
		Serving  fleet.Digest // what the gateway serves instead
	}
	// Reopen opens the stream again with a new hello, because the refusals in the last one no longer hold.
	Reopen struct{}
	// Remember writes State.Memory to disk. It ends in StateDirChecked.
	Remember struct{}
	// Drifted counts and logs a drift.
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
