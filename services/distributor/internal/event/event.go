// Package event says which events follow from a decision, and from what the leader sees of a group. It is pure: events are a function of
// the records before and after. It does not know how an event is stored or sent.
package event

import (
	"fmt"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Reason says what happened, for programs. Reasons are stable: one is never renamed, and never gets another meaning.
type Reason string

// The reasons. docs/events.md explains them.
const (
	RevisionCommitted Reason = "RevisionCommitted"
	RolloutStarted    Reason = "RolloutStarted"
	WaveStarted       Reason = "WaveStarted"
	WavePassed        Reason = "WavePassed"
	GateFailed        Reason = "GateFailed"
	NodeRefused       Reason = "NodeRefused"
	RolloutPaused     Reason = "RolloutPaused"
	RolloutResumed    Reason = "RolloutResumed"
	RolloutPromoted   Reason = "RolloutPromoted"
	RolloutExpress    Reason = "RolloutExpress"
	RolloutHalted     Reason = "RolloutHalted"
	RolloutRolledBack Reason = "RolloutRolledBack"
	RolloutSuperseded Reason = "RolloutSuperseded"
	RolloutCompleted  Reason = "RolloutCompleted"
	SourcePinned      Reason = "SourcePinned"
	SourceUnpinned    Reason = "SourceUnpinned"
	PinFailed         Reason = "PinFailed"
	GroupFrozen       Reason = "GroupFrozen"
	GroupUnfrozen     Reason = "GroupUnfrozen"
	NodeQuarantined   Reason = "NodeQuarantined"
	NodeReleased      Reason = "NodeReleased"
	NodeDrifted       Reason = "NodeDrifted"
	NodeDriftHealed   Reason = "NodeDriftHealed"
	TargetsDrained    Reason = "TargetsDrained"
	TargetsUndrained  Reason = "TargetsUndrained"
	WindowClosed      Reason = "WindowClosed"
	WindowOpened      Reason = "WindowOpened"
	LedgerRecovered   Reason = "LedgerRecovered"
)

// Reasons are all reasons, in the order in which docs/events.md explains them.
var Reasons = []Reason{
	RevisionCommitted, RolloutStarted, WaveStarted, WavePassed, GateFailed, NodeRefused, RolloutPaused, RolloutResumed, RolloutPromoted,
	RolloutExpress, RolloutHalted, RolloutRolledBack, RolloutSuperseded, RolloutCompleted, SourcePinned, SourceUnpinned, PinFailed,
	GroupFrozen, GroupUnfrozen, NodeQuarantined, NodeReleased, NodeDrifted, NodeDriftHealed, TargetsDrained, TargetsUndrained,
	WindowClosed, WindowOpened, LedgerRecovered,
}

// Known reports whether a reason is one of Reasons.
func (r Reason) Known() bool { return slices.Contains(Reasons, r) }

// MaxNodes bounds the names of nodes in an event; the count has no bound.
const MaxNodes = 20

// An Event is something that happened to a group, or to the whole installation: that has no group. The zero value of a field means that it
// does not apply.
type Event struct {
	Sequence  Sequence        `json:"-"` // known once it is stored
	Reason    Reason          `json:"reason"`
	Time      time.Time       `json:"time"` // by the clock of the replica that wrote it
	Group     fleet.GroupID   `json:"group"`
	Revision  fleet.Revision  `json:"revision,omitempty"`
	Rollout   fleet.RolloutID `json:"rollout,omitempty"`
	Source    fleet.SourceID  `json:"source,omitempty"`
	Subject   string          `json:"subject,omitempty"`    // the gate, the object that was refused, or the first target
	Nodes     []fleet.NodeID  `json:"nodes,omitempty"`      // at most MaxNodes
	NodeCount int             `json:"node_count,omitempty"` // of all of them
	Author    string          `json:"author,omitempty"`     // who ordered it or submitted it
	Message   string          `json:"message"`
}

// about returns the event with nodes, as many as are named.
func (e Event) about(nodes ...fleet.NodeID) Event {
	e.Nodes, e.NodeCount = slices.Clone(nodes[:min(len(nodes), MaxNodes)]), len(nodes)
	return e
}

// saying returns the event with its message. Texts of others are cleaned and cut, so that an event fits a line of a terminal or a chat.
func (e Event) saying(format string, args ...any) Event {
	e.Message = clean.Line(fmt.Sprintf(format, args...), clean.MaxMessage)
	e.Subject, e.Author = clean.Line(e.Subject, clean.MaxWord), clean.Line(e.Author, clean.MaxWord)
	return e
}

// A Filter chooses events. An empty list chooses all.
type Filter struct {
	Groups  []fleet.GroupID
	Reasons []Reason
}

// Has reports whether a filter chooses an event. One of the whole installation is one of each group.
func (f Filter) Has(e Event) bool {
	return (len(f.Groups) == 0 || e.Group == "" || slices.Contains(f.Groups, e.Group)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, e.Reason))
}
