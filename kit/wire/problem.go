package wire

import (
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Problem converts a problem. The other party of a duplicate is left out: a gateway does not know it.
func Problem(m *fleetv1.Problem) fleet.Problem {
	return fleet.Problem{
		Source: m.GetSource(), Document: m.GetDocument(), Line: m.GetLine(), Column: m.GetColumn(), Kind: m.GetKind(), Name: m.GetName(),
		ID: m.GetId(), Field: m.GetField(), Class: int32(m.GetClass()), Message: m.GetMessage(),
	}
}

// ProblemMessage is the inverse of Problem.
func ProblemMessage(p fleet.Problem) *fleetv1.Problem {
	return &fleetv1.Problem{
		Source: p.Source, Document: p.Document, Line: p.Line, Column: p.Column, Kind: p.Kind, Name: p.Name, Id: p.ID, Field: p.Field,
		Class: fleetv1.Problem_Class(p.Class), Message: p.Message,
	}
}
