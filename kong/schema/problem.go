package schema

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Rule is the kind of rule that was violated. The set is closed.
type Rule uint8

// The rules. Each stands for one class of a fleet.v1 Problem.
const (
	// UnknownField means that the gateway has no such field.
	UnknownField Rule = iota + 1
	// WrongType means that a value has another type than its field.
	WrongType
	// MissingField means that a required field is missing, or one of several.
	MissingField
	// BadValue means that the field does not allow a value, or a combination of values.
	BadValue
	// Unsupported means that the gateway lacks a plugin, a vault or a filter.
	Unsupported
)

// String returns the name of the class of problems.
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
	// Key reports whether Name is a key of a map. Kong leaves these out of its own paths.
	Key bool
}

// Path leads from an entity to a field. An empty path means the entity as a whole.
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

// Kong returns the path as in Kong's flattened errors (F12): paths.1, config.redis.host. For anything in a map it is the path of the map.
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

// FieldError is one reason why a gateway would refuse an entity. The message describes what is allowed and never holds the refused value:
// values may be secrets.
type FieldError struct {
	Path    Path // empty for the entity as a whole
	Rule    Rule
	Message string
	// Whole reports whether the error is about a record as a whole, not about a field. Kong lists it among those of the entity, without the
	// name of the record.
	Whole bool
	// Fatal reports whether the gateway answers 500 in place of an error (F14).
	Fatal bool
	// Follows reports whether the error only repeats, for the record, an error about a field.
	Follows bool
}

// String writes the error as one line.
func (e FieldError) String() string {
	if len(e.Path) == 0 {
		return e.Message
	}
	return e.Path.String() + ": " + e.Message
}
