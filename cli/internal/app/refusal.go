package app

import (
	"encoding/json"
	"errors"
	"io"
	"maps"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/silverback-gateway/silverback/cli/internal/input"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// refusal is an error for programs. Its problems have the form of validate's output, its violations that of google.rpc.BadRequest.
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

// PrintRefusal prints an error for programs when -o selects a format for them and the error is a response: a service's, or the refusal of a
// template before any call. It prints nothing without a response.
func (a *App) PrintRefusal(w io.Writer, err error) error {
	if a.Flags.Output == show.Table {
		return nil
	}
	call, message := failedCall(err), err.Error()
	var template *input.TemplateError
	if errors.As(err, &template) {
		call = refusedTemplate(template)
	}
	if call == nil || call.Reason == "" && len(call.Problems)+len(call.Violations) == 0 {
		return nil
	}
	r := refusal{Error: failure{Code: code.Code(call.Code).String(), Reason: call.Reason, Message: message}, ProblemCount: call.ProblemCount}
	for _, p := range call.Problems {
		text, err := show.Raw(p)
		if err != nil {
			return err
		}
		r.Problems = append(r.Problems, text)
	}
	for _, v := range call.Violations {
		r.FieldViolations = append(r.FieldViolations, violation(v))
	}
	r.Error.Metadata = maps.Clone(call.Metadata)
	delete(r.Error.Metadata, "problem_count") // it is shown with the problems
	return show.Value(w, a.Flags.Output, r)
}

// refusedTemplate returns the translator's answer to an invalid template.
func refusedTemplate(e *input.TemplateError) *client.Error {
	return &client.Error{Code: codes.InvalidArgument, Reason: "INVALID_CONFIG", ProblemCount: 1, Problems: []*client.Problem{{
		Class: fleetv1.Problem_CLASS_ENV, Document: e.Document, Message: e.Message,
		Line: int32(e.Line), Column: int32(e.Column), //nolint:gosec // a document is at most 64 MiB
	}}}
}
