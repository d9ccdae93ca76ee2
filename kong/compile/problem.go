package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Class says what kind of rule was broken; a closed set.
type Class string

// The classes.
const (
	Syntax            Class = "syntax"
	Encoding          Class = "encoding"
	Limit             Class = "limit"
	Version           Class = "version"
	UnknownField      Class = "unknown-field"
	WrongType         Class = "wrong-type"
	MissingField      Class = "missing-field"
	BadValue          Class = "bad-value"
	DanglingReference Class = "dangling-reference"
	Duplicate         Class = "duplicate"
	Conflict          Class = "conflict"
	Scope             Class = "scope"
	Env               Class = "env"
	Empty             Class = "empty"
	Unsupported       Class = "unsupported"
)

// Place is where the other party of a duplicate or a conflict stands.
type Place struct {
	Source   SourceID
	Document string
	Line     int
}

// Problem is one reason why a configuration is refused, or, among warnings, one
// that its author should know. It never holds the value of a field that can be
// secret, nor a control character.
type Problem struct {
	Source   SourceID // set by Merge
	Document string
	Line     int    // from 1; 0 when unknown
	Column   int    // from 1, in bytes; 0 when unknown
	Kind     string // in the singular; empty when no entity is meant
	Name     string // empty when the entity has none, or it is secret
	ID       string // when known
	Field    string // path within the entity, such as paths[0]
	Class    Class
	Message  string
	Other    *Place
}

// String writes the problem as one line: team-a.yaml:14: route "orders": paths[0]: ...
func (p Problem) String() string {
	var b strings.Builder
	if p.Document != "" {
		b.WriteString(printable(p.Document))
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Kind != "" {
		b.WriteString(p.Kind)
		switch {
		case p.Name != "":
			b.WriteString(" " + quote(p.Name))
		case p.ID != "":
			b.WriteString(" " + p.ID)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// maxProblems is how many problems are told; what is beyond is only counted.
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
