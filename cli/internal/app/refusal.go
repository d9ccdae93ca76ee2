package app

import (
	"encoding/json"
	"errors"
	"io"
	"maps"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/input"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/rpc"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// refusal is an error for programs. Its problems stand as in the answer of validate, its violations as in google.rpc.BadRequest.
type refusal struct {
	Problems        []json.RawMessage `json:"problems,omitempty"`
	ProblemCount    int64             `json:"problem_count,omitempty"`
	FieldViolations []violation       `json:"field_violations,omitempty"`
	Error           failure           `json:"error"`
}

type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

type failure struct {
	Code     string            `json:"code"`             // of gRPC, such as FAILED_PRECONDITION
	Reason   string            `json:"reason,omitempty"` // the service's, such as CONFIG_SHRINK
	Message  string            `json:"message"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// PrintRefusal prints an error for programs, when -o asks for what they read and the error is an answer: a service's with its details, or
// the refusal of a template before a service was asked. Who got no answer prints none.
func (a *App) PrintRefusal(w io.Writer, err error) error {
	if a.Flags.Output == show.Table {
		return nil
	}
	s, ok := answerOf(err)
	if !ok {
		return nil
	}
	r := refusal{Error: failure{Code: code.Code(s.Code()).String(), Reason: Reason(s.Err()), Message: rpc.Message(s)}}
	problems, violations, total := details(s)
	for _, p := range problems {
		text, err := show.Raw(p)
		if err != nil {
			return err
		}
		r.Problems = append(r.Problems, text)
	}
	r.ProblemCount = total
	for _, v := range violations {
		r.FieldViolations = append(r.FieldViolations, violation{Field: v.GetField(), Description: v.GetDescription()})
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			r.Error.Metadata = maps.Clone(info.GetMetadata())
			delete(r.Error.Metadata, "problem_count") // it stands beside the problems
		}
	}
	return show.Value(w, a.Flags.Output, r)
}

// answerOf returns the status that an error is an answer by: one with details. A template's refusal has the words of the translator's.
func answerOf(err error) (*status.Status, bool) {
	var template *input.TemplateError
	if errors.As(err, &template) {
		s, detailErr := status.New(codes.InvalidArgument, template.Error()).WithDetails(
			&errdetails.ErrorInfo{Reason: "INVALID_CONFIG", Domain: "silverback"},
			&fleetv1.Problem{
				Class: fleetv1.Problem_CLASS_ENV, Document: template.Document, Line: int32(template.Line), Column: int32(template.Column),
				Message: template.Message, //nolint:gosec // a document is at most 64 MiB
			})
		return s, detailErr == nil
	}
	s, ok := grpcStatus(err)
	return s, ok && len(s.Details()) > 0
}
