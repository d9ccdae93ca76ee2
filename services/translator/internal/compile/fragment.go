package compile

import (
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/translator/internal/entity"
)

// SourceID names a source of a group; the word of the whole control plane.
type SourceID = fleet.SourceID

// Document is one submitted file. Its name is a label for messages, never a path
// that is opened.
type Document struct {
	Name    string
	Content []byte
}

// Fragment is what one source says: its entities, flat, with references still by
// name. It is immutable and safe for concurrent use.
type Fragment struct {
	Documents []string  // names, by which items tell where they stand
	Warnings  []Problem // what the author should know
	items     []item
}

// Len returns the number of entities.
func (f *Fragment) Len() int { return len(f.items) }

// item is an entity of a fragment. Its body is its canonical JSON without the
// braces, each member followed by a comma, and without id and references, which
// are put in at the splices once they are known.
type item struct {
	kind    *entity.Kind
	id      string // as given, in lower case; empty when none was
	name    string // for messages
	place   place
	body    string
	splices []splice
	refs    []reference
	keys    []string // values of the kind's IDFields, empty for references
	unique  []uniqueValue
}

type place struct {
	document     int
	line, column int
}

// splice says what to put into a body at a byte offset: the id, or a reference,
// as a member of its own or only its quoted id.
type splice struct {
	at   int
	ref  int // index of the reference; -1 is the id
	bare bool
}

// reference is a reference as it was written.
type reference struct {
	field  string // of the entity
	path   string // for messages
	target string // kind
	id     string // what it was referred to by, in the order of trust
	name   string
	other  string // another unique field, such as a consumer's custom_id
	local  int    // index of the parent in the fragment; -1 unless nested
	place  place
}

type uniqueValue struct {
	field string
	value string
}
