// Package check judges a recorded history of a fleet by the promises of the design. It is pure: it starts nothing and asks nobody, and it
// knows nothing of how the services decide. A history that it finds fault with is a broken promise, or a mistake of the recorder.
package check

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A Kind says what an Event is.
type Kind string

// The kinds of events, with the fields that each has beside At.
const (
	// Submitted is the definite answer to a writer's submission: Writer, Number, Revision, and Bad when gateways refuse it.
	Submitted Kind = "submitted"
	// Waited says that a command waited for a submission and was told that every online gateway serves it: Writer, Number, Excused.
	Waited Kind = "waited"
	// Viewed is what an agent said of itself: Node, Epoch, Decision, Term, Revision, Wanted, Proven.
	Viewed Kind = "viewed"
	// Answered is what a gateway's proxy said of a writer's route: Node, Writer, Number (0: there is no such route), Began.
	Answered Kind = "answered"
	// Disturbed says that a fault began or, with Over, ended: Node when it is a gateway's or an agent's, and Text.
	Disturbed Kind = "disturbed"
	// Listed is one revision of the history at the end: Revision.
	Listed Kind = "listed"
	// Repeated is the answer to a submission of what stands already: Writer, Number, Revision, and Made when a revision was made.
	Repeated Kind = "repeated"
	// Ordered is the definite answer to an order of an operator: Text.
	Ordered Kind = "ordered"
	// Settled says that all faults are over and the fleet had its time to converge.
	Settled Kind = "settled"
)

// An Event is one thing that was seen. At is when it was known, since the recording began, by the recorder's clock alone.
type Event struct {
	At       time.Duration `json:"at"`
	Kind     Kind          `json:"kind"`
	Node     string        `json:"node,omitempty"`
	Writer   string        `json:"writer,omitempty"`
	Number   int           `json:"number,omitempty"`
	Revision int64         `json:"revision,omitempty"`
	Wanted   int64         `json:"wanted,omitempty"`
	Epoch    int64         `json:"epoch,omitempty"`
	Decision int64         `json:"decision,omitempty"`
	Term     int64         `json:"term,omitempty"`
	Began    time.Duration `json:"began,omitempty"` // when the request of an Answered was sent
	Excused  []string      `json:"excused,omitempty"`
	Proven   bool          `json:"proven,omitempty"`
	Bad      bool          `json:"bad,omitempty"`
	Over     bool          `json:"over,omitempty"`
	Made     bool          `json:"made,omitempty"`
	Text     string        `json:"text,omitempty"`
}

// A Problem is a promise that a history breaks, by its number in the design.
type Problem struct {
	Promise int
	At      time.Duration
	Text    string
}

func (p Problem) String() string {
	return fmt.Sprintf("promise %d at %s: %s", p.Promise, p.At.Round(time.Millisecond), p.Text)
}

// Write writes a history, one event a line.
func Write(to io.Writer, history []Event) error {
	encoder := json.NewEncoder(to)
	for _, e := range history {
		if err := encoder.Encode(e); err != nil {
			return fmt.Errorf("write history: %w", err)
		}
	}
	return nil
}
