package desired

import (
	"fmt"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/compile"
)

// classes maps the compiler's words to those of the wire.
var classes = map[compile.Class]fleetv1.Problem_Class{
	compile.Syntax: fleetv1.Problem_CLASS_SYNTAX, compile.Encoding: fleetv1.Problem_CLASS_ENCODING, compile.Limit: fleetv1.Problem_CLASS_LIMIT,
	compile.Version: fleetv1.Problem_CLASS_VERSION, compile.UnknownField: fleetv1.Problem_CLASS_UNKNOWN_FIELD, compile.WrongType: fleetv1.Problem_CLASS_WRONG_TYPE,
	compile.MissingField: fleetv1.Problem_CLASS_MISSING_FIELD, compile.BadValue: fleetv1.Problem_CLASS_BAD_VALUE,
	compile.DanglingReference: fleetv1.Problem_CLASS_DANGLING_REFERENCE, compile.Duplicate: fleetv1.Problem_CLASS_DUPLICATE,
	compile.Conflict: fleetv1.Problem_CLASS_CONFLICT, compile.Scope: fleetv1.Problem_CLASS_SCOPE, compile.Env: fleetv1.Problem_CLASS_ENV,
	compile.Empty: fleetv1.Problem_CLASS_EMPTY, compile.Unsupported: fleetv1.Problem_CLASS_UNSUPPORTED,
}

// WireProblem turns a problem of the compiler into the message that travels in answers and in errors.
func WireProblem(p compile.Problem) *fleetv1.Problem {
	m := &fleetv1.Problem{
		Source: string(p.Source), Document: p.Document, Line: int32(p.Line), Column: int32(p.Column),
		Kind: p.Kind, Name: p.Name, Id: p.ID, Field: p.Field, Class: classes[p.Class], Message: p.Message,
	}
	if p.Other != nil {
		m.Other = &fleetv1.Problem_Place{Source: string(p.Other.Source), Document: p.Other.Document, Line: int32(p.Other.Line)}
	}
	return m
}

// refused is the fault of a configuration with problems.
func refused(problems []compile.Problem) *fault.Error {
	message := problems[0].String()
	if len(problems) > 1 {
		message = fmt.Sprintf("%s (and %d more problems)", message, len(problems)-1)
	}
	e := fault.New(fault.Invalid, "INVALID_CONFIG", "%s", message)
	for _, p := range problems {
		e.Problems = append(e.Problems, WireProblem(p))
	}
	return e
}

// tooLarge is the fault of a configuration that is over a limit: sending it again will not help.
func tooLarge(reason, message string) *fault.Error {
	e := refused([]compile.Problem{{Class: compile.Limit, Message: message}})
	e.Reason = reason
	return e
}

// withoutSource leaves the source out of problems that stand in the submitted documents: their names say enough.
func withoutSource(problems []compile.Problem, submitted fleet.SourceID) []compile.Problem {
	for i := range problems {
		if problems[i].Source == submitted {
			problems[i].Source = ""
		}
		if o := problems[i].Other; o != nil && o.Source == submitted {
			o.Source = ""
		}
	}
	return problems
}
