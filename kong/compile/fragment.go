package compile

import (
	"strings"
	"unsafe"

	"github.com/silverback-gateway/silverback/kong/entity"
)

// Document is one submitted file. Its name is a label for messages, never a path
// that is opened.
type Document struct {
	Name    string
	Content []byte
}

// Fragment is the content of one source: its entities, flat, with references by name. It is immutable and safe for concurrent use.
type Fragment struct {
	Documents []string  // names
	Warnings  []Problem // for the author
	items     []item
	flaws     map[int][]Problem // of items, when problems were found; see Draft
	unread    map[string]bool   // kinds of which entities could not be read
	shared    int               // bytes of the text that all strings share; 0 when each has its own memory
}

// Len returns the number of entities.
func (f *Fragment) Len() int { return len(f.items) }

// Bytes returns about how much memory a fragment holds.
func (f *Fragment) Bytes() int {
	size := cap(f.items)*int(unsafe.Sizeof(item{})) + len(f.Documents)*int(unsafe.Sizeof("")) + ProblemBytes(f.Warnings)
	texts, allocations := 0, 0
	for i := range f.items {
		it := &f.items[i]
		size += cap(it.splices)*int(unsafe.Sizeof(splice{})) + cap(it.refs)*int(unsafe.Sizeof(reference{})) +
			cap(it.keys)*int(unsafe.Sizeof("")) + cap(it.unique)*int(unsafe.Sizeof(uniqueValue{}))
		texts += len(it.id) + len(it.name) + len(it.body)
		allocations += 3 + len(it.refs) + len(it.keys) + len(it.unique)
		for _, r := range it.refs {
			texts += len(r.id) + len(r.name) + len(r.other)
		}
		for _, k := range it.keys {
			texts += len(k)
		}
		for _, u := range it.unique {
			texts += len(u.value)
		}
	}
	if f.shared > 0 {
		return size + f.shared
	}
	return size + texts + allocations*wasted
}

// wasted is about the overhead of a short text.
const wasted = 12

// ProblemBytes returns about how much memory problems hold.
func ProblemBytes(problems []Problem) int {
	size := cap(problems) * int(unsafe.Sizeof(Problem{}))
	for i := range problems {
		p := &problems[i]
		size += len(p.Document) + len(p.Name) + len(p.ID) + len(p.Field) + len(p.Message) + wasted
	}
	return size
}

// own copies the strings of an item. Otherwise they would keep the memory of the whole document.
func (it *item) own() {
	it.id, it.name = strings.Clone(it.id), strings.Clone(it.name)
	for i := range it.refs {
		r := &it.refs[i]
		r.id, r.name, r.other = strings.Clone(r.id), strings.Clone(r.name), strings.Clone(r.other)
	}
	for i := range it.keys {
		it.keys[i] = strings.Clone(it.keys[i])
	}
	for i := range it.unique {
		it.unique[i].value = strings.Clone(it.unique[i].value)
	}
}

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
	hashed  bool // holds a hash where a gateway would make one
}

type place struct {
	document     int
	line, column int
}

// splice is what to insert into a body at a byte offset: the id, or a reference, as a member of its own or only its quoted id.
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
	id     string // how it is referred to, the most reliable first
	name   string
	other  string // another unique field, such as a consumer's custom_id
	local  int    // index of the parent in the fragment; -1 unless nested
	place  place
}

type uniqueValue struct {
	field string
	value string
}
