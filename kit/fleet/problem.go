package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Problem is one reason why a configuration is refused, or a warning about it. It names the object and the field. It holds no value of a
// field that can be secret, and no control character. Its JSON form is stored with rollouts and by agents, so names are never removed.
type Problem struct {
	Source   SourceID `json:"source,omitempty"`   // whose configuration it is, when known
	Document string   `json:"document,omitempty"` // as submitted
	Line     int      `json:"line,omitempty"`     // from 1; 0 when unknown
	Column   int      `json:"column,omitempty"`   // from 1, in bytes; 0 when unknown
	Kind     string   `json:"kind,omitempty"`     // singular, such as "route"; empty when no entity is meant
	Name     string   `json:"name,omitempty"`     // of the entity; empty when it has none, or it is secret
	ID       string   `json:"id,omitempty"`       // of the entity
	Field    string   `json:"field,omitempty"`    // positions count from 0, such as paths[0]
	Class    Class    `json:"class,omitempty"`    // 0 when unknown
	Message  string   `json:"message"`
	Other    *Place   `json:"other,omitempty"` // the other party of a duplicate or a conflict
}

// A Place is a line of a submitted document.
type Place struct {
	Source   SourceID `json:"source,omitempty"`
	Document string   `json:"document,omitempty"`
	Line     int      `json:"line,omitempty"`
}

// A Class is the kind of rule that was violated. Its numbers are those of the contract.
type Class int32

// classNames are stored with the sources of groups.
var classNames = []string{"", "syntax", "encoding", "limit", "version", "unknown-field", "wrong-type", "missing-field", "bad-value",
	"dangling-reference", "duplicate", "conflict", "scope", "env", "empty", "unsupported", "refused-by-gateway"}

// String returns the name of the class. A class of a newer version has none.
func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return ""
	}
	return classNames[c]
}

// ParseClass is the inverse of String. It returns 0 for an unknown name.
func ParseClass(name string) Class { return Class(max(slices.Index(classNames, name), 0)) }

// String returns the problem as one line: team-a.yaml:14: route "orders": paths[0]: ...
func (p Problem) String() string {
	var b strings.Builder
	if p.Document != "" {
		b.WriteString(Printable(p.Document))
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Kind != "" {
		b.WriteString(p.Kind)
		switch {
		case p.Name != "":
			b.WriteString(" " + Quote(p.Name))
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

// Printable returns a name as Quote does, without the quotes.
func Printable(s string) string {
	q := Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// Quote returns a name for a message: in double quotes, printable, of bounded length.
func Quote(s string) string {
	const longest = 120
	if len(s) > longest {
		cut := longest
		for cut > 0 && s[cut]&0xc0 == 0x80 {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.QuoteToGraphic(s)
}
