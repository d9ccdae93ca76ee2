package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/input"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Report prints an error for people: every problem of a refused configuration on a line of its own, the remedy
// of a service that cannot be reached, or the message alone.
func (a *App) Report(w io.Writer, err error) {
	var exit *Exit
	if errors.As(err, &exit) && exit.Err == nil {
		return
	}
	s, ok := grpcStatus(err)
	if !ok {
		fmt.Fprintf(w, "error: %s\n", show.Clean(err.Error()))
		return
	}
	problems, violations, total := details(s)
	for _, p := range problems {
		fmt.Fprintln(w, show.Problem(p))
	}
	for _, v := range violations {
		fmt.Fprintf(w, "error: %s: %s\n", v.GetField(), show.Clean(v.GetDescription()))
	}
	switch {
	case len(violations) > 0: // the message only repeats them
	case len(problems) > 0:
		more := ""
		if hidden := total - int64(len(problems)); hidden > 0 {
			more = fmt.Sprintf(" (%d more are not shown)", hidden)
		}
		fmt.Fprintf(w, "refused: %s%s; nothing was changed\n", show.Count(total, "problem", "problems"), more)
	case s.Code() == codes.Unavailable:
		fmt.Fprintf(w, "error: %s\n", show.Clean(a.unavailable(err, s)))
	case s.Code() == codes.DeadlineExceeded:
		from := ""
		if of := callee(err); of != nil {
			from = " from the " + of.name
		}
		fmt.Fprintf(w, "error: no answer%s within %s; --timeout allows more\n", from, a.Flags.Timeout)
	default:
		fmt.Fprintf(w, "error: %s\n", show.Clean(s.Message()))
	}
}

// unavailable says why nobody could do what was asked: no replica of the service was reached, or one was and says why it cannot.
func (a *App) unavailable(err error, s *status.Status) string {
	of, message := callee(err), rpc.Message(s)
	switch {
	case of == nil:
		return message
	case Reason(err) == "":
		return of.unreachable(message, a.Flags)
	case fault.IsNoLedger(err):
		return fmt.Sprintf("the %s answers: %s\nIt keeps everything in etcd: look there first. Gateways serve on without it.", of.name, message)
	}
	return fmt.Sprintf("the %s answers: %s", of.name, message)
}

func grpcStatus(err error) (*status.Status, bool) {
	if errors.Is(err, context.DeadlineExceeded) {
		return status.New(codes.DeadlineExceeded, ""), true
	}
	s, ok := status.FromError(err)
	return s, ok && s != nil
}

// details takes the problems and violations out of a status, and how many problems there were before the wire's limit.
func details(s *status.Status) (problems []*fleetv1.Problem, violations []*errdetails.BadRequest_FieldViolation, total int64) {
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *fleetv1.Problem:
			problems = append(problems, d)
		case *errdetails.BadRequest:
			violations = append(violations, d.GetFieldViolations()...)
		case *errdetails.ErrorInfo:
			if _, err := fmt.Sscan(d.GetMetadata()["problem_count"], &total); err != nil {
				total = 0
			}
		}
	}
	return problems, violations, max(total, int64(len(problems)))
}

// isInvalidInput says that the input is at fault, which is exit code 2.
func isInvalidInput(err error) bool {
	var template *input.TemplateError
	if errors.As(err, &template) {
		return true
	}
	s, ok := grpcStatus(err)
	return ok && s.Code() == codes.InvalidArgument
}

// Reason returns the stable reason of a service's error, such as CONFIG_SHRINK, or "".
func Reason(err error) string {
	s, ok := grpcStatus(err)
	if !ok {
		return ""
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && strings.HasPrefix(info.GetDomain(), "silverback") {
			return info.GetReason()
		}
	}
	return ""
}
