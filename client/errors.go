package client

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// A Violation says what is wrong with one field of a request.
type Violation = fault.Violation

// Error is a failed call of a service. Match Reason or Code, never Message.
type Error struct {
	Service      string            // which service was called, such as Translator
	Code         codes.Code        // gRPC's code
	Reason       string            // stable, such as CONFIG_SHRINK; docs/api.md lists them. Empty when no replica answered.
	Message      string            // for people; holds no secrets
	Metadata     map[string]string // belongs to Reason; docs/api.md has the keys
	Violations   []Violation       // what is wrong with fields of the request
	Problems     []*Problem        // what is wrong with the submitted files; at most 100
	ProblemCount int64             // how many problems there are in all

	cause error
}

func newError(service string, cause error) *Error {
	s := status.Convert(cause)
	e := &Error{Service: service, Code: s.Code(), Message: rpc.Message(s), cause: cause}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *Problem:
			e.Problems = append(e.Problems, d)
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{Field: v.GetField(), Description: v.GetDescription()})
			}
		case *errdetails.ErrorInfo:
			if !strings.HasPrefix(d.GetDomain(), fault.Domain) {
				continue // of a proxy in between
			}
			e.Reason, e.Metadata = d.GetReason(), d.GetMetadata()
			if _, err := fmt.Sscan(e.Metadata["problem_count"], &e.ProblemCount); err != nil {
				e.ProblemCount = 0
			}
		}
	}
	e.ProblemCount = max(e.ProblemCount, int64(len(e.Problems)))
	return e
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns gRPC's error.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus returns the status, so that status.Code works.
func (e *Error) GRPCStatus() *status.Status {
	if e.cause == nil {
		return status.New(e.Code, e.Message)
	}
	return status.Convert(e.cause)
}

// HaltedError means that the rollout of the revision, or of a later one, was halted or rolled back. Its Refusals name the nodes whose
// gateways refused it, each with a Problem.
type HaltedError struct {
	Rollout *Rollout
}

// Error returns the reason.
func (e *HaltedError) Error() string {
	state := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(e.Rollout.GetState().String(), "STATE_")), "_", " ")
	return fmt.Sprintf("rollout of revision %d %s: %s", e.Rollout.GetCandidateRevision(), state, e.Rollout.GetReason())
}

// OverwrittenError means that another submission replaced the source before every gateway served it.
type OverwrittenError struct {
	Source   string
	Revision int64     // brought the source
	By       *Revision // the first revision that holds another content of the source, or none
}

// Error names the submission that replaced the source.
func (e *OverwrittenError) Error() string {
	did := "submitted it again"
	if e.By.GetRestoredRevision() > 0 {
		did = fmt.Sprintf("put it back to its content of revision %d", e.By.GetRestoredRevision())
	} else if digestIn(e.By, e.Source) == "" {
		did = "deleted it"
	}
	text := fmt.Sprintf("overwritten: source %q of revision %d is not what the gateways get: %s %s, as revision %d",
		e.Source, e.Revision, e.By.GetAuthor(), did, e.By.GetNumber())
	if message, _, more := strings.Cut(e.By.GetMessage(), "\n"); more {
		text += fmt.Sprintf(" (%q)", message+" …")
	} else if message != "" {
		text += fmt.Sprintf(" (%q)", message)
	}
	return text
}

// NotConvergedError means that the wait timed out before every online gateway served the revision. The rollout goes on.
type NotConvergedError struct {
	Revision int64
	After    time.Duration
	Reason   string // why the rollout waits, when it says so
	Err      error  // why no distributor answered, when none did last: the rollout may be complete
}

// Error describes what is known.
func (e *NotConvergedError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("not converged: revision %d is committed, but no distributor answers which gateways serve it, after %s: %v",
			e.Revision, e.After, e.Err)
	case e.Reason != "":
		return fmt.Sprintf("not converged: revision %d is committed, and its rollout waits after %s: %s", e.Revision, e.After, e.Reason)
	}
	return fmt.Sprintf("not converged: not every gateway serves revision %d after %s", e.Revision, e.After)
}

// Unwrap returns Err.
func (e *NotConvergedError) Unwrap() error { return e.Err }

// UnverifiedError means that every online gateway serves a later revision, and the translator did not answer whether that one still holds
// the source.
type UnverifiedError struct {
	Source   string
	Revision int64 // brought the source
	Served   int64
	Err      error
}

// Error describes what is known.
func (e *UnverifiedError) Error() string {
	return fmt.Sprintf("revision %d is served; whether it still holds source %q as revision %d brought it is unknown: %s",
		e.Served, e.Source, e.Revision, rpc.Why(e.Err))
}

// Unwrap returns Err.
func (e *UnverifiedError) Unwrap() error { return e.Err }

// Ended reports whether a rollout has reached a final state.
func Ended(r *Rollout) bool {
	switch r.GetState() {
	case distributorv1.Rollout_STATE_COMPLETED, distributorv1.Rollout_STATE_HALTED, distributorv1.Rollout_STATE_SUPERSEDED,
		distributorv1.Rollout_STATE_ROLLED_BACK:
		return true
	}
	return false
}
