package compile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Aliases for what Read, Merge and Validate report.
type (
	SourceID = fleet.SourceID
	Problem  = fleet.Problem
	Place    = fleet.Place
	Class    = fleet.Class
)

// The classes.
const (
	Syntax Class = iota + 1
	Encoding
	Limit
	Version
	UnknownField
	WrongType
	MissingField
	BadValue
	DanglingReference
	Duplicate
	Conflict
	Scope
	Env
	Empty
	Unsupported
)

// maxProblems is how many problems are reported. Further ones are only counted.
const maxProblems = 100

// finish sorts problems by place and cuts the list.
func finish(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Document, b.Document), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Message, b.Message))
	})
	problems = slices.CompactFunc(problems, func(a, b Problem) bool {
		return a.Column == b.Column && a.Source == b.Source && a.String() == b.String()
	})
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems], Problem{
			Class: problems[maxProblems].Class, Message: fmt.Sprintf("%d more problems are not shown", more),
		})
	}
	return problems
}
