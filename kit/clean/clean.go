// Package clean makes foreign text safe to show. Text from nodes, certificates and callers ends up in logs, terminals, revisions and files.
// There it must not move a cursor, forge a line, change the direction of text, or fill a disk. The package refuses no text.
package clean

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of foreign text, in bytes.
const (
	MaxWord    = 256  // a name, a version, an address
	MaxMessage = 1024 // a sentence for people
)

const ellipsis = "…"

// Unsafe reports whether a character must not be shown: control characters, and invisible ones such as overrides of the text's direction,
// characters without width, and line separators.
func Unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Line returns text as one line of valid UTF-8 of at most limit bytes. Line breaks and tabs become blanks. Other unsafe characters and
// bytes that are not UTF-8 become U+FFFD. Text that is too long ends in "…".
func Line(text string, limit int) string {
	return clean(text, limit, func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case Unsafe(r):
			return unicode.ReplacementChar
		}
		return r
	})
}

// Text is like Line, but keeps line breaks and tabs.
func Text(text string, limit int) string {
	return clean(text, limit, func(r rune) rune {
		if r != '\n' && r != '\t' && Unsafe(r) {
			return unicode.ReplacementChar
		}
		return r
	})
}

func clean(text string, limit int, shown func(rune) rune) string {
	cut := len(text) > limit
	if cut {
		text = text[:border(text, limit-len(ellipsis))]
	}
	text = strings.Map(shown, text)
	// A replacement can be longer than what it replaces.
	if cut || len(text) > limit {
		text = text[:border(text, limit-len(ellipsis))] + ellipsis
	}
	return text
}

// border returns the last position up to n at which text can be cut.
func border(text string, n int) int {
	if n <= 0 {
		return 0
	}
	if n >= len(text) {
		return len(text)
	}
	for back := n; back >= 0 && back > n-utf8.UTFMax; back-- {
		if utf8.RuneStart(text[back]) {
			return back
		}
	}
	return n
}

// Message applies Line to every string of a message, in place: in fields, lists, values and keys of maps, and nested messages. Keys that
// become equal are merged into one entry.
func Message(m proto.Message, limit int) {
	if m != nil && m.ProtoReflect().IsValid() {
		message(m.ProtoReflect(), limit)
	}
}

func message(m protoreflect.Message, limit int) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			entries(f, v.Map(), limit)
		case f.IsList():
			for i := range v.List().Len() {
				if w, changed := value(f.Kind(), v.List().Get(i), limit); changed {
					v.List().Set(i, w)
				}
			}
		default:
			if w, changed := value(f.Kind(), v, limit); changed {
				m.Set(f, w)
			}
		}
		return true
	})
}

func entries(f protoreflect.FieldDescriptor, m protoreflect.Map, limit int) {
	type entry struct {
		before, after protoreflect.MapKey
		value         protoreflect.Value
	}
	var changed []entry
	m.Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
		e := entry{before: key, after: key}
		other := false
		if f.MapKey().Kind() == protoreflect.StringKind {
			e.after = protoreflect.ValueOfString(Line(key.String(), limit)).MapKey()
			other = e.after.String() != key.String()
		}
		var dirty bool
		if e.value, dirty = value(f.MapValue().Kind(), v, limit); dirty || other {
			changed = append(changed, e)
		}
		return true
	})
	for _, e := range changed {
		m.Clear(e.before)
		m.Set(e.after, e.value)
	}
}

// value returns the cleaned value, and whether it differs. Messages are changed in place.
func value(kind protoreflect.Kind, v protoreflect.Value, limit int) (protoreflect.Value, bool) {
	switch kind {
	case protoreflect.StringKind:
		text := Line(v.String(), limit)
		return protoreflect.ValueOfString(text), text != v.String()
	case protoreflect.MessageKind, protoreflect.GroupKind:
		message(v.Message(), limit)
	}
	return v, false
}

// JSON writes the unsafe characters of a JSON document as escapes. The document keeps its meaning and is safe for a terminal.
func JSON(document []byte) []byte {
	if !strings.ContainsFunc(string(document), beyondASCII) {
		return document
	}
	out := make([]byte, 0, len(document))
	for _, r := range string(document) {
		if beyondASCII(r) {
			out = escape(out, r)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// beyondASCII reports unsafe characters beyond ASCII, and DEL. A valid document has the control characters of ASCII only as white space
// between its values.
func beyondASCII(r rune) bool { return r >= 0x7f && Unsafe(r) }

func escape(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	units := []rune{r}
	if r > 0xffff {
		r -= 0x10000
		units = []rune{0xd800 + r>>10, 0xdc00 + r&0x3ff}
	}
	for _, u := range units {
		out = append(out, '\\', 'u', digits[u>>12&15], digits[u>>8&15], digits[u>>4&15], digits[u&15])
	}
	return out
}
