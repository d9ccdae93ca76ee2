// Package fault is the closed set of errors of services. A domain package returns a fault, one interceptor turns it into a gRPC status, and
// a client turns the status back. Neither depends on the other's texts.
package fault

import (
	"errors"
	"fmt"
	"time"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Domain is the domain of every ErrorInfo of Silverback.
const Domain = "silverback"

// A Kind is what a caller can do about an error. The set is closed.
type Kind int

// The kinds. Each maps to one gRPC code; see Code.
const (
	Internal      Kind = iota // a bug: logged, its text withheld
	Invalid                   // the request or the configuration is wrong; a retry does not help
	Missing                   // what the request names does not exist
	Exists                    // what the request creates already exists with other content
	Conflict                  // another caller was faster, or a request_id was used for another request
	WrongState                // the request is valid, but not in the present state
	StaleTerm                 // the caller is no longer leader
	NotLeader                 // another replica decides; try again
	Down                      // a required part cannot be reached; try again
	Busy                      // too many requests; try again later
	TooLarge                  // over a limit that the message names
	Denied                    // the caller lacks permission
	Full                      // there is no space, and a retry does not help: the message has the remedy
	OutOfRange                // the position to continue from no longer exists; the metadata has the new beginning
	Unimplemented             // the contract has it, but this version does not implement it
)

// Error is a fault. Its text is meant for the caller, so it holds no secrets.
type Error struct {
	Kind       Kind
	Reason     string            // stable, UPPER_SNAKE_CASE, for programs
	Message    string            // for people; lower case, no period
	Metadata   map[string]string // for programs, with the reason
	Violations []Violation       // what is wrong with the fields of the request
	Problems   []*fleetv1.Problem
	RetryAfter time.Duration // when to try again; 0: unknown
	Cause      error         // logged, never sent
}

// A Violation is what is wrong with one field of a request.
type Violation struct {
	Field       string // path in the proto message, such as group.policy.waves[0].percent
	Description string
}

// New returns a fault with a formatted message.
func New(kind Kind, reason, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message, and the cause when there is one.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is match faults by kind, and by reason when the target names one.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Message == "" && t.Kind == e.Kind && (t.Reason == "" || t.Reason == e.Reason)
}

// Of is a target for errors.Is: every fault of the kind matches it.
func Of(kind Kind) error { return &Error{Kind: kind} }

// With returns the fault with added metadata.
func (e *Error) With(key, value string) *Error {
	if e.Metadata == nil {
		e.Metadata = map[string]string{}
	}
	e.Metadata[key] = value
	return e
}

// Because returns the fault with a cause.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

var noLedger = New(Down, "LEDGER_DOWN", "the ledger does not answer; try again")

// NoLedger returns the fault of a service whose etcd does not answer.
func NoLedger(cause error) *Error {
	e := *noLedger
	return e.Because(cause)
}

// IsNoLedger reports whether an error is NoLedger, or the status that a service made of it.
func IsNoLedger(err error) bool {
	var e *Error
	return errors.As(FromStatus(err), &e) && e.Kind == noLedger.Kind && e.Reason == noLedger.Reason
}

// InvalidFields returns the fault of a request with invalid fields.
func InvalidFields(violations ...Violation) *Error {
	e := New(Invalid, "INVALID_REQUEST", "the request has %d invalid field(s)", len(violations))
	if len(violations) == 1 {
		e.Message = violations[0].Field + ": " + violations[0].Description
	}
	e.Violations = violations
	return e
}

// KindOf returns the kind of an error. Errors that are not faults are Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
