package wire

import (
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

// Problem converts a problem. The other party of a duplicate is left out: a gateway does not know it.
func Problem(m *fleetv1.Problem) fleet.Problem {
	return fleet.Problem{
		Source: fleet.SourceID(m.GetSource()), Document: m.GetDocument(), Line: int(m.GetLine()), Column: int(m.GetColumn()), Kind: m.GetKind(),
		Name: m.GetName(), ID: m.GetId(), Field: m.GetField(), Class: fleet.Class(m.GetClass()), Message: m.GetMessage(),
	}
}

// ProblemMessages converts problems to their messages.
func ProblemMessages(all []fleet.Problem) (ms []*fleetv1.Problem) {
	for _, p := range all {
		ms = append(ms, ProblemMessage(p))
	}
	return ms
}

// ProblemMessage converts a problem to its message, with the other party.
func ProblemMessage(p fleet.Problem) *fleetv1.Problem {
	m := &fleetv1.Problem{
		Source: string(p.Source), Document: p.Document, Line: int32(p.Line), Column: int32(p.Column), Kind: p.Kind, Name: p.Name, Id: p.ID,
		Field: p.Field, Class: fleetv1.Problem_Class(p.Class), Message: p.Message,
	}
	if o := p.Other; o != nil {
		m.Other = &fleetv1.Problem_Place{Source: string(o.Source), Document: o.Document, Line: int32(o.Line)}
	}
	return m
}
