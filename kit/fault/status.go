package fault

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/clean"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// A status is sent in an HTTP/2 trailer, and peers refuse large trailers, so details are cut to a budget. The metadata has the number of
// all problems.
const (
	maxProblems     = 100
	maxDetailBytes  = 5 << 10
	maxMessage      = 2 << 10
	problemCountKey = "problem_count"
)

var codeOf = map[Kind]codes.Code{
	Internal: codes.Internal, Invalid: codes.InvalidArgument, Missing: codes.NotFound, Exists: codes.AlreadyExists,
	Conflict: codes.Aborted, WrongState: codes.FailedPrecondition, StaleTerm: codes.FailedPrecondition,
	NotLeader: codes.Unavailable, Down: codes.Unavailable, Busy: codes.ResourceExhausted,
	// gRPC uses the same code for a message over its limit.
	TooLarge: codes.ResourceExhausted, Denied: codes.PermissionDenied, Full: codes.ResourceExhausted,
	OutOfRange: codes.OutOfRange, Unimplemented: codes.Unimplemented,
}

var kindOf = map[codes.Code]Kind{
	codes.InvalidArgument: Invalid, codes.NotFound: Missing, codes.AlreadyExists: Exists, codes.Aborted: Conflict,
	codes.FailedPrecondition: WrongState, codes.Unavailable: Down, codes.ResourceExhausted: Busy, codes.PermissionDenied: Denied,
	codes.Unauthenticated: Denied, codes.Unimplemented: Unimplemented,
	codes.OutOfRange: OutOfRange,
}

// Code returns the gRPC code of a kind.
func Code(kind Kind) codes.Code { return codeOf[kind] }

// ToStatus turns an error into the status to send. Other errors than faults become INTERNAL with their text withheld. A cancelled or
// expired context, and a status that a called service answered, keep their codes.
func ToStatus(err error) *status.Status {
	if err == nil {
		return status.New(codes.OK, "")
	}
	var e *Error
	if !errors.As(err, &e) {
		switch {
		case errors.Is(err, context.Canceled):
			return status.New(codes.Canceled, "the call was cancelled")
		case errors.Is(err, context.DeadlineExceeded):
			return status.New(codes.DeadlineExceeded, "the call took longer than its deadline")
		}
		if s, ok := status.FromError(err); ok {
			return s
		}
		// An error of etcd's client is not a status, but it has its code.
		var coded interface{ Code() codes.Code }
		if errors.As(err, &coded) && coded.Code() == codes.Unavailable {
			return ToStatus(NoLedger(err))
		}
		return status.New(codes.Internal, "internal error")
	}
	if e.Kind == Internal {
		return status.New(codes.Internal, "internal error")
	}
	// A refusal names a part of the request, which may be meant for the terminal of its reader.
	message := clean.Text(e.Message, maxMessage)
	s, detailErr := status.New(codeOf[e.Kind], message).WithDetails(e.details()...)
	if detailErr != nil {
		return status.New(codeOf[e.Kind], message)
	}
	return s
}

func (e *Error) details() []protoadapt.MessageV1 {
	info := &errdetails.ErrorInfo{Reason: e.Reason, Domain: Domain, Metadata: map[string]string{}}
	for k, v := range e.Metadata {
		info.Metadata[k] = v
	}
	if len(e.Problems) > 0 && info.Metadata[problemCountKey] == "" {
		info.Metadata[problemCountKey] = strconv.Itoa(len(e.Problems))
	}
	all := []protoadapt.MessageV1{info}
	if len(e.Violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range e.Violations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: clean.Line(v.Field, clean.MaxWord),
				Description: clean.Text(v.Description, clean.MaxMessage)})
		}
		all = append(all, bad)
	}
	if e.RetryAfter > 0 {
		all = append(all, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	budget := maxDetailBytes
	for i, p := range e.Problems {
		budget -= proto.Size(p)
		if i >= maxProblems || (i > 0 && budget < 0) {
			break
		}
		all = append(all, protoadapt.MessageV1Of(p))
	}
	return all
}

// FromStatus turns the error of a call back into a fault, for clients that match kinds. It returns an error that is not a status unchanged.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	kind, known := kindOf[s.Code()]
	if !known {
		return err
	}
	e := &Error{Kind: kind, Message: s.Message()}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			e.Reason, e.Metadata = d.GetReason(), d.GetMetadata()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{Field: v.GetField(), Description: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		case *fleetv1.Problem:
			e.Problems = append(e.Problems, d)
		}
	}
	return e
}
