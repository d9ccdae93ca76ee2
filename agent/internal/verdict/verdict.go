// Package verdict holds the outcomes of a directive: an ack, a refusal or a failure. A refusal means that Kong refused the
// configuration; a failure is everything else. Verdicts hold no content of a configuration.
package verdict

import (
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// Problem is one reason why Kong refused a configuration. It names the object and the field, never a value.
type Problem = fleet.Problem

// MaxProblems bounds what one refusal reports.
const MaxProblems = 16

// Ack means that the snapshot was proven to be served.
type Ack struct {
	Proof     proof.Form
	LoadTime  time.Duration // zero when the gateway ran it already
	ProofTime time.Duration
	Stray     string // processes that share a worker's place, and serve the snapshot too; empty when there are none
}

// Refusal is the error of a load that Kong refused. Kong will refuse the same bytes again.
type Refusal struct {
	Problems []Problem // at least one, at most MaxProblems
}

// Error names the first object.
func (r *Refusal) Error() string {
	if len(r.Problems) == 0 {
		return "the gateway refused the configuration"
	}
	p := r.Problems[0]
	text := p.Message
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if p.Kind != "" {
		text = fmt.Sprintf("%s %q: %s", p.Kind, p.Name, text)
	}
	if n := len(r.Problems) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return "the gateway refused the configuration: " + text
}

// Reason is the kind of a failure.
type Reason int

// The reasons. Their numbers are those of the contract.
const (
	Unreachable   Reason = iota + 1 // the Admin API cannot be reached
	Timeout                         // no answer in time; the gateway may have loaded it all the same
	Busy                            // a load is under way; retry later
	GatewayError                    // an error that may not be caused by the configuration
	NotProven                       // loaded, but not every worker was seen serving it
	Disk                            // the agent's disk cannot be written
	BadDelta                        // the delta does not produce the announced snapshot
	StaleDecision                   // older than one that was followed
	Unmanaged                       // the gateway is unmanaged, and would lose some of its configuration
	StrayWorker                     // a process that no longer belongs to the gateway shares its listener (fact F48)
	StaleRouter                     // loaded, but a worker kept its old router (fact F43)
)

// String returns the word that metrics and logs use.
func (r Reason) String() string {
	words := [...]string{"unknown", "gateway_unreachable", "timeout", "gateway_busy", "gateway_error", "not_proven", "disk", "bad_delta",
		"stale_decision", "unmanaged", "stray_worker", "stale_router"}
	if r < 0 || int(r) >= len(words) {
		r = 0
	}
	return words[r]
}

// Unproven reports whether the gateway loaded the configuration, and was not proven to serve it.
func (r Reason) Unproven() bool { return r == NotProven || r == StrayWorker || r == StaleRouter }

// Failure is the error of a load that failed for another reason. A retry may succeed.
type Failure struct {
	Reason     Reason
	Message    string        // for people, free of secrets
	RetryAfter time.Duration // requested by the gateway; 0: none
	// Suspect marks an error that Kong also answers when the configuration is at fault (fact F14).
	Suspect bool
	// Uncertain marks that the gateway may run the posted bytes all the same.
	Uncertain bool
	// Blind marks a StaleRouter when no answer named any snapshot. When it persists, another cause is likelier.
	Blind    bool
	Attempts int
}

// Error returns the reason and the message.
func (f *Failure) Error() string { return f.Reason.String() + ": " + f.Message }
