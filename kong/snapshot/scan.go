package snapshot

import (
	"bytes"
	"fmt"
)

// head is how all canonical bytes begin.
const head = `{"_format_version":"3.0"`

// asIs follows the head of canonical bytes of which Kong must hash nothing.
const asIs = `,"_transform":false`

// IsAsIs reports whether canonical bytes tell Kong to hash nothing, see SealAsIs.
func IsAsIs(canonical []byte) bool { return bytes.HasPrefix(canonical, []byte(head+asIs)) }

// Scan walks canonical bytes line by line, without parsing JSON, and calls visit
// with each entity: its kind, its line (a part of canonical, without comma or
// line feed) and where that begins. Bytes laid out otherwise end the walk with
// ErrLayout, after the entities before the fault were visited.
func Scan(canonical []byte, visit func(kind string, line []byte, offset int)) error {
	return scan(canonical, func(kind string, line []byte, offset, _ int) { visit(kind, line, offset) })
}

// scan is Scan that also tells where the entity's piece of the text ends.
func scan(canonical []byte, visit func(kind string, line []byte, offset, end int)) error {
	if !bytes.HasPrefix(canonical, []byte(head)) {
		return fmt.Errorf("%w: the first line is another", ErrLayout)
	}
	at := len(head)
	if IsAsIs(canonical) {
		at += len(asIs)
	}
	if string(canonical[at:]) == "}\n" {
		return nil
	}
	if !bytes.HasPrefix(canonical[at:], []byte(",\n")) {
		return fmt.Errorf("%w: the first line is another", ErrLayout)
	}
	at += len(",\n")
	var err error
	for previous := ""; ; {
		kind, next, ok := sectionHead(canonical, at)
		if !ok || kind <= previous {
			return fmt.Errorf("%w: no kind in order begins at byte %d", ErrLayout, at)
		}
		previous, at = kind, next
		for last := false; !last; {
			var line []byte
			if line, next, last, err = entityLine(canonical, at); err != nil {
				return err
			}
			visit(kind, line, at, next)
			at = next
		}
		if at == len(canonical) {
			return nil
		}
	}
}

// entityLine reads the entity at a place and what follows it: a comma, or the end of its section, which makes it the last.
func entityLine(canonical []byte, at int) (line []byte, end int, last bool, err error) {
	length := bytes.IndexByte(canonical[at:], '\n')
	if length < 0 {
		return nil, 0, false, fmt.Errorf("%w: cut short at byte %d", ErrLayout, at)
	}
	end = at + length + 1
	line, more := bytes.CutSuffix(canonical[at:at+length], []byte(","))
	if !more {
		switch rest := canonical[end:]; {
		case string(rest) == "]}\n":
			end = len(canonical)
		case bytes.HasPrefix(rest, []byte("],\n")):
			end += len("],\n")
		default:
			return nil, 0, false, fmt.Errorf("%w: no section ends at byte %d", ErrLayout, end)
		}
	}
	if len(line) < 2 || line[0] != '{' || line[len(line)-1] != '}' {
		return nil, 0, false, fmt.Errorf("%w: no entity at byte %d", ErrLayout, at)
	}
	return line, end, !more, nil
}

// sectionHead reads `"kind":[` and the line feed behind it.
func sectionHead(canonical []byte, at int) (kind string, next int, ok bool) {
	length := bytes.IndexByte(canonical[at:], '\n')
	if length < 0 {
		return "", 0, false
	}
	name, ok := bytes.CutSuffix(canonical[at:at+length], []byte(`":[`))
	if !ok || len(name) < 2 || name[0] != '"' {
		return "", 0, false
	}
	kind = string(name[1:])
	return kind, at + length + 1, validKind(kind)
}

// stringField finds a string among the top-level fields of a canonical object.
// It does not unescape: a value with a backslash is not found. Keys of canonical
// objects are sorted, so it stops early.
func stringField(object []byte, key string) ([]byte, bool) {
	at := 1
	for at < len(object) && object[at] == '"' {
		end := stringEnd(object, at)
		if end < 0 || end >= len(object) || object[end] != ':' {
			return nil, false
		}
		name := object[at+1 : end-1]
		at = end + 1
		if string(name) == key {
			if at >= len(object) || object[at] != '"' {
				return nil, false
			}
			end = stringEnd(object, at)
			if end < 0 || bytes.IndexByte(object[at:end], '\\') >= 0 {
				return nil, false
			}
			return object[at+1 : end-1], true
		}
		if string(name) > key {
			return nil, false
		}
		if at = valueEnd(object, at); at < 0 || at >= len(object) || object[at] != ',' {
			return nil, false
		}
		at++
	}
	return nil, false
}

// stringEnd returns where the string that starts at the quote at ends; -1 never.
func stringEnd(text []byte, at int) int {
	for i := at + 1; i < len(text); {
		next := bytes.IndexByte(text[i:], '"')
		if next < 0 {
			return -1
		}
		end := i + next
		slashes := 0
		for end-slashes-1 > at && text[end-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
		i = end + 1
	}
	return -1
}

// valueEnd returns where the value at ends: at the comma or bracket behind it.
func valueEnd(text []byte, at int) int {
	for depth := 0; at < len(text); {
		switch text[at] {
		case '"':
			if at = stringEnd(text, at); at < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return at
			}
			depth--
		case ',':
			if depth == 0 {
				return at
			}
		}
		at++
	}
	return -1
}
