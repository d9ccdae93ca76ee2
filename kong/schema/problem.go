package schema

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Rule says what kind of rule was broken; a closed set.
type Rule uint8

// The rules, each of which stands for one class of a fleet.v1 Problem.
const (
	// UnknownField: the gateway has no such field.
	UnknownField Rule = iota + 1
	// WrongType: a value of another type than the field has.
	WrongType
	// MissingField: a required field is missing, or one of several.
	MissingField
	// BadValue: a value, or a combination of values, that the field does not allow.
	BadValue
	// Unsupported: a plugin, a vault or a filter that the gateway does not have.
	Unsupported
)

// String names the rule as the classes of problems are named.
func (r Rule) String() string {
	names := [...]string{"", "unknown-field", "wrong-type", "missing-field", "bad-value", "unsupported"}
	if int(r) >= len(names) {
		return ""
	}
	return names[r]
}

// Step is one step from an entity to the field that is wrong.
type Step struct {
	// Name of a field, or a key of a map; empty in a step to a position.
	Name string
	// Position in a list, from 0.
	Position int
	// Key says that Name is a key of a map, which Kong leaves out of its own paths.
	Key bool
}

// Path leads from an entity to a field; empty means the entity as a whole.
type Path []Step

// String returns the path as Silverback shows it: paths[0], config.redis.host.
func (p Path) String() string {
	var b strings.Builder
	for _, s := range p {
		switch {
		case s.Name == "" && !s.Key:
			b.WriteString("[" + strconv.Itoa(s.Position) + "]")
			continue
		case b.Len() > 0:
			b.WriteByte('.')
		}
		b.WriteString(s.Name)
	}
	return b.String()
}

// Kong returns the path as Kong's flattened errors do (F12): paths.1,
// config.redis.host, and for anything in a map the map.
func (p Path) Kong() string {
	var b strings.Builder
	for _, s := range p {
		if s.Key {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if s.Name == "" {
			b.WriteString(strconv.Itoa(s.Position + 1))
			continue
		}
		b.WriteString(s.Name)
	}
	return b.String()
}

func (p Path) under(prefix Path) bool {
	return len(p) >= len(prefix) && slices.Equal(p[:len(prefix)], prefix)
}

func (p Path) compare(q Path) int {
	return slices.CompareFunc(p, q, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Position, b.Position))
	})
}

// FieldError is one reason why a gateway would refuse an entity. The message says
// what is allowed and never holds the value that is not: values may be secrets.
type FieldError struct {
	Path    Path // empty when the entity as a whole is meant
	Rule    Rule
	Message string
	// Whole says that the error is about a record as a whole, not about a field.
	// Kong tells it among those of the entity, without saying which record.
	Whole bool
	// Fatal says that the gateway answers 500 in place of saying this (F14).
	Fatal bool
	// Follows says that the error only repeats, of the record, the one about a field.
	Follows bool
}

// String writes the error as one line.
func (e FieldError) String() string {
	if len(e.Path) == 0 {
		return e.Message
	}
	return e.Path.String() + ": " + e.Message
}
