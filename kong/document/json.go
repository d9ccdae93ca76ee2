package document

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// jsonReader reads JSON in one pass. Strings without escapes share the memory of
// the text.
type jsonReader struct {
	text     string
	at       int
	limits   Limits
	nodes    int
	live     int // values in memory
	slab     slab
	fault    *Fault
	deferred map[*Node]deferred // collects the lists right under the root for Each; nil reads them at once
}

// readJSON reads a text. Deferred lists are read too and dropped entry by entry, so that the first fault of the text is reported in any
// case.
func readJSON(text []byte, limits Limits, deferLists bool) (*Document, *Fault) {
	doc := &Document{text: text, json: true, limits: limits}
	r := &jsonReader{text: unsafe.String(unsafe.SliceData(text), len(text)), limits: limits}
	if deferLists {
		doc.deferred = map[*Node]deferred{}
		r.deferred = doc.deferred
	}
	root := r.value(0)
	if root != nil {
		r.space()
		if r.at != len(r.text) {
			r.fail(Syntax, r.at, "there is text behind the JSON value")
		}
	}
	if r.fault != nil {
		line, column := doc.At(Position(r.fault.Column))
		r.fault.Line, r.fault.Column = line, column
		return nil, r.fault
	}
	if root.Kind == Null {
		return nil, &Fault{Class: Empty, Line: 1, Message: "the document is null"}
	}
	doc.Roots = []*Node{root}
	return doc, nil
}

// fail keeps the first fault. Until the end, Column holds its offset.
func (r *jsonReader) fail(class string, at int, message string) *Node {
	if r.fault == nil {
		r.fault = &Fault{Class: class, Column: min(at, max(0, len(r.text)-1)), Message: message}
	}
	return nil
}

func (r *jsonReader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\n', '\t', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *jsonReader) node(kind Kind, at int) *Node {
	n := r.slab.next()
	n.Kind, n.Pos = kind, Position(at)
	return n
}

func (r *jsonReader) value(depth int) *Node {
	r.space()
	if r.at >= len(r.text) {
		return r.fail(Syntax, r.at, "the JSON ends too early")
	}
	if r.nodes++; r.nodes > r.limits.Nodes {
		return r.fail(Limit, r.at, fmt.Sprintf("more than %d values", r.limits.Nodes))
	}
	if r.live++; r.live > r.limits.Live {
		return r.fail(Limit, r.at, fmt.Sprintf("more than %d values in one entry of a list, or outside the lists of the top level",
			r.limits.Live))
	}
	at := r.at
	switch c := r.text[at]; {
	case c == '{':
		return r.object(depth + 1)
	case c == '[':
		return r.array(depth + 1)
	case c == '"':
		s, ok := r.str()
		if !ok {
			return nil
		}
		n := r.node(String, at)
		n.Text = s
		return n
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	for _, w := range [...]struct {
		word string
		kind Kind
	}{{"true", Bool}, {"false", Bool}, {"null", Null}} {
		if strings.HasPrefix(r.text[at:], w.word) {
			r.at += len(w.word)
			n := r.node(w.kind, at)
			n.Text = w.word
			return n
		}
	}
	return r.fail(Syntax, at, "not a JSON value")
}

func (r *jsonReader) deep(depth int) bool {
	if depth > r.limits.Depth {
		r.fail(Limit, r.at, fmt.Sprintf("nested more than %d levels deep", r.limits.Depth))
		return true
	}
	return false
}

func (r *jsonReader) object(depth int) *Node {
	if r.deep(depth) {
		return nil
	}
	n := r.node(Map, r.at)
	r.at++
	r.space()
	if r.at < len(r.text) && r.text[r.at] == '}' {
		r.at++
		return n
	}
	n.Keys = make([]Key, 0, 8)
	for {
		r.space()
		at := r.at
		if at >= len(r.text) || r.text[at] != '"' {
			return r.fail(Syntax, at, "a key in double quotes is missing")
		}
		name, ok := r.str()
		if !ok {
			return nil
		}
		r.space()
		if r.at >= len(r.text) || r.text[r.at] != ':' {
			return r.fail(Syntax, r.at, "a colon is missing")
		}
		r.at++
		var value *Node
		if depth == 1 && r.deferred != nil && !strings.HasPrefix(name, "_") && r.listNext() {
			value = r.deferList()
		} else {
			value = r.value(depth)
		}
		if value == nil {
			return nil
		}
		n.Keys = append(n.Keys, Key{name, Position(at), value})
		r.space()
		if r.at >= len(r.text) {
			return r.fail(Syntax, r.at, "the JSON ends within an object")
		}
		c := r.text[r.at]
		r.at++
		if c == '}' {
			break
		}
		if c != ',' {
			return r.fail(Syntax, r.at-1, "a comma or a closing brace is missing")
		}
	}
	if i := repeated(n.Keys); i >= 0 {
		return r.fail(Duplicate, int(n.Keys[i].Pos), fmt.Sprintf("the key %s occurs twice", fleet.Quote(n.Keys[i].Name)))
	}
	return n
}

func (r *jsonReader) array(depth int) *Node {
	if r.deep(depth) {
		return nil
	}
	n := r.node(List, r.at)
	if !r.elements(depth, func(e *Node) bool { n.Items = append(n.Items, e); return true }) {
		return nil
	}
	return n
}

// elements passes on the elements of the list at the cursor. It returns false when they cannot be read, or when no more are needed.
func (r *jsonReader) elements(depth int, f func(*Node) bool) bool {
	r.at++
	r.space()
	if r.at < len(r.text) && r.text[r.at] == ']' {
		r.at++
		return true
	}
	for {
		value := r.value(depth)
		if value == nil || !f(value) {
			return false
		}
		r.space()
		if r.at >= len(r.text) {
			r.fail(Syntax, r.at, "the JSON ends within a list")
			return false
		}
		c := r.text[r.at]
		r.at++
		if c == ']' {
			return true
		}
		if c != ',' {
			r.fail(Syntax, r.at-1, "a comma or a closing bracket is missing")
			return false
		}
	}
}

// listNext reports whether a list is next.
func (r *jsonReader) listNext() bool {
	r.space()
	return r.at < len(r.text) && r.text[r.at] == '['
}

// deferList checks the list at the cursor and defers its entries to Each.
func (r *jsonReader) deferList() *Node {
	if r.nodes++; r.nodes > r.limits.Nodes {
		return r.fail(Limit, r.at, fmt.Sprintf("more than %d values", r.limits.Nodes))
	}
	start, live := r.at, r.live
	n := r.node(List, start)
	if !r.elements(2, func(*Node) bool { r.live, r.slab = live, slab{}; return true }) {
		return nil
	}
	text, limits := r.text, r.limits
	r.deferred[n] = func(f func(int, *Node) bool) *Fault {
		again, i := &jsonReader{text: text, at: start, limits: limits}, -1
		again.elements(2, func(e *Node) bool {
			i++
			again.live, again.slab = 0, slab{}
			return f(i, e)
		})
		return again.fault
	}
	return n
}

func (r *jsonReader) number() *Node {
	at := r.at
	for r.at < len(r.text) && strings.IndexByte("+-.eE0123456789", r.text[r.at]) >= 0 {
		r.at++
	}
	n := r.node(Int, at)
	var fault string
	if n.Kind, n.Text, fault = number(r.text[at:r.at]); fault != "" {
		class := Type
		if n.Kind == Null {
			class = Syntax
		}
		return r.fail(class, at, fault)
	}
	return n
}

// str reads the string at the cursor.
func (r *jsonReader) str() (string, bool) {
	start := r.at + 1
	for i := start; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			return r.text[start:i], true
		case c == '\\':
			return r.escaped(start, i)
		case c < 0x20:
			r.fail(Syntax, i, "a control character within a string")
			return "", false
		}
	}
	r.fail(Syntax, r.at, "the string is not closed")
	return "", false
}

func (r *jsonReader) escaped(start, i int) (string, bool) {
	buf := append(make([]byte, 0, i-start+32), r.text[start:i]...)
	for i < len(r.text) {
		c := r.text[i]
		switch {
		case c == '"':
			r.at = i + 1
			return string(buf), true
		case c < 0x20:
			r.fail(Syntax, i, "a control character within a string")
			return "", false
		case c != '\\':
			buf = append(buf, c)
			i++
			continue
		}
		if i+1 >= len(r.text) {
			break
		}
		if k := strings.IndexByte(`"\/bfnrt`, r.text[i+1]); k >= 0 {
			buf = append(buf, "\"\\/\b\f\n\r\t"[k])
			i += 2
			continue
		}
		if r.text[i+1] != 'u' {
			r.fail(Syntax, i, "an unknown escape")
			return "", false
		}
		code, ok := r.hex(i)
		i += 6
		if ok && code >= 0xd800 && code < 0xdc00 {
			low, lowOK := r.hex(i)
			if !lowOK || low < 0xdc00 || low > 0xdfff || r.text[i] != '\\' {
				r.fail(Encoding, i-6, "half a surrogate pair")
				return "", false
			}
			code = 0x10000 + (code-0xd800)<<10 + (low - 0xdc00)
			i += 6
		} else if ok && code >= 0xdc00 && code <= 0xdfff {
			r.fail(Encoding, i-6, "half a surrogate pair")
			return "", false
		}
		if !ok {
			r.fail(Syntax, i-6, "an escape of four hexadecimal digits is malformed")
			return "", false
		}
		if code == 0 {
			r.fail(Encoding, i-6, "a NUL within a string")
			return "", false
		}
		buf = utf8.AppendRune(buf, rune(code))
	}
	r.fail(Syntax, start-1, "the string is not closed")
	return "", false
}

// hex reads the \uXXXX at i.
func (r *jsonReader) hex(i int) (uint64, bool) {
	if i+6 > len(r.text) || r.text[i] != '\\' || r.text[i+1] != 'u' {
		return 0, false
	}
	code, err := strconv.ParseUint(r.text[i+2:i+6], 16, 32)
	return code, err == nil && r.text[i+2] != '+'
}

// repeated returns the position of a key that occurred before, or -1.
func repeated(keys []Key) int {
	if len(keys) <= 16 {
		for i := range keys {
			for j := range i {
				if keys[i].Name == keys[j].Name {
					return i
				}
			}
		}
		return -1
	}
	seen := make(map[string]struct{}, len(keys))
	for i := range keys {
		if _, again := seen[keys[i].Name]; again {
			return i
		}
		seen[keys[i].Name] = struct{}{}
	}
	return -1
}
