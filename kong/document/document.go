// Package document reads JSON and YAML into a tree in which every value has its position, and writes canonical JSON. It refuses what two
// readers could understand differently: repeated keys, numbers that are octal to one YAML and decimal to another, language tags, invalid
// UTF-8. It expands aliases and merge keys within bounds. It knows nothing about Kong.
//
// It is the product's only reader of JSON with positions. kong/snapshot reads canonical bytes by their layout, line by line, and parses
// nothing: that is several times faster and needs no tree. The simulated gateway in testkit/kongtest has a reader of its own on purpose.
package document

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Kind is the kind of a node.
type Kind uint8

// The kinds of nodes.
const (
	Null Kind = iota
	Bool
	Int   // a number without fraction and exponent
	Float // any other number
	String
	List
	Map
)

// String returns the kind as errors name it.
func (k Kind) String() string {
	return [...]string{"null", "a boolean", "an integer", "a number", "a string", "a list", "a map"}[k]
}

// Position is a place in a document: a line and a column for YAML, a byte offset for JSON. Only the document that it came from can resolve
// it.
type Position uint64

// Node is one value. Text holds the value of a string, or the canonical literal of a number or a boolean. Maps keep their keys in the order
// of the document, each once.
type Node struct {
	Kind  Kind
	Text  string
	Pos   Position
	Items []*Node // of a list
	Keys  []Key   // of a map
}

// Key is a member of a map.
type Key struct {
	Name  string
	Pos   Position
	Value *Node
}

// Get returns the value of a key, or nil.
func (n *Node) Get(name string) *Node {
	for i := range n.Keys {
		if n.Keys[i].Name == name {
			return n.Keys[i].Value
		}
	}
	return nil
}

// Limits bound the work of reading a document.
type Limits struct {
	Depth int // nesting of lists and maps
	Nodes int // values after expansion of aliases
	Grown int // bytes of text after expansion of aliases
	// Live bounds the values that are in memory together. Memory bounds the bytes that YAML text may take that is read at once: a whole
	// document, or one entry where Each reads them one by one.
	Live   int
	Memory int
}

// DefaultLimits are far above what a Kong configuration of 64 MiB needs.
func DefaultLimits() Limits {
	return Limits{Depth: 100, Nodes: 16 << 20, Grown: 256 << 20, Live: 2 << 20, Memory: 384 << 20}
}

// Fault classes; a closed set.
const (
	Syntax    = "syntax"
	Encoding  = "encoding"
	Limit     = "limit"
	Type      = "wrong-type"
	Duplicate = "duplicate"
	Empty     = "empty"
)

// Fault is the reason why a document cannot be read. Its message never repeats a value.
type Fault struct {
	Class   string
	Line    int // from 1; 0 when unknown
	Column  int
	Message string
}

func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Message) }

// Document is a document that was read: the trees of its stream, in order. Null documents are left out.
type Document struct {
	Roots    []*Node
	text     []byte
	json     bool
	lines    []int
	limits   Limits
	deferred map[*Node]deferred // lists that Each reads later
}

// At returns the line and column, from 1, of a position in the document.
func (d *Document) At(p Position) (line, column int) {
	if !d.json {
		return int(p >> 32), int(p & 0xffffffff)
	}
	if d.lines == nil {
		d.lines = []int{0}
		for i, c := range d.text {
			if c == '\n' {
				d.lines = append(d.lines, i+1)
			}
		}
	}
	at := int(p)
	i := sort.SearchInts(d.lines, at+1) - 1
	return i + 1, at - d.lines[i] + 1
}

// Read reads a document as JSON when the name ends in .json or the text begins with a brace, and as YAML otherwise. Text that begins with a
// brace, is not JSON and does not have the name of JSON is read as YAML too.
func Read(name string, text []byte, limits Limits) (*Document, *Fault) {
	return read(name, text, limits, false)
}

func read(name string, text []byte, limits Limits, deferLists bool) (*Document, *Fault) {
	text, fault := decodeText(text)
	if fault != nil {
		return nil, fault
	}
	if looksLikeJSON(name, text) {
		doc, fault := readJSON(text, limits, deferLists)
		if fault == nil || isJSON(name) || fault.Class != Syntax {
			return doc, fault
		}
	}
	if deferLists {
		if doc, fault := openYAML(text, partSize, limits); doc != nil || fault != nil {
			return doc, fault
		}
	}
	return readYAML(text, limits)
}

// decodeText checks the encoding and drops a byte order mark.
func decodeText(text []byte) ([]byte, *Fault) {
	if len(text) >= 2 && (text[0] == 0xff && text[1] == 0xfe || text[0] == 0xfe && text[1] == 0xff) {
		return nil, &Fault{Class: Encoding, Line: 1, Message: "the document is UTF-16; save it as UTF-8"}
	}
	if len(text) >= 3 && text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf {
		text = text[3:]
	}
	if len(text) >= 2 && text[0] == 0x1f && text[1] == 0x8b {
		return nil, &Fault{Class: Syntax, Line: 1, Message: "the document is compressed; send plain text"}
	}
	if !utf8.Valid(text) {
		return nil, &Fault{Class: Encoding, Line: lineOfInvalid(text), Message: "the document is not valid UTF-8"}
	}
	for i, c := range text {
		if c < 0x20 && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return nil, &Fault{Class: Encoding, Line: 1 + strings.Count(string(text[:i]), "\n"),
				Message: fmt.Sprintf("the control character 0x%02x is not allowed", c)}
		}
	}
	if len(strings.TrimSpace(string(text[:min(len(text), 4096)]))) == 0 && len(strings.TrimSpace(string(text))) == 0 {
		return nil, &Fault{Class: Empty, Line: 1, Message: "the document is empty"}
	}
	return text, nil
}

func lineOfInvalid(text []byte) int {
	line := 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size <= 1 {
			break
		}
		if r == '\n' {
			line++
		}
		text = text[size:]
	}
	return line
}
