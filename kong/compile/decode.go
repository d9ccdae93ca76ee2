package compile

import (
	"encoding/json"
	"strings"
)

// decode reads the compact JSON that this package writes. It takes a third of the time of encoding/json and shares the memory of the text.
// Numbers stay as written.
func decode(text string) (map[string]any, bool) {
	r := reader{rest: text}
	value, _ := r.value().(map[string]any)
	return value, !r.bad && r.rest == "" && value != nil
}

type reader struct {
	rest string
	bad  bool
}

// take reports whether a byte is next, and steps over it.
func (r *reader) take(c byte) bool {
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *reader) value() any {
	switch {
	case r.rest == "":
	case r.rest[0] == '"':
		return r.text()
	case r.take('{'):
		return r.object()
	case r.take('['):
		return r.list()
	default:
		return r.scalar()
	}
	r.bad = true
	return nil
}

func (r *reader) object() any {
	all := map[string]any{}
	for !r.take('}') {
		name := r.text()
		if r.bad = r.bad || !r.take(':'); r.bad {
			return nil
		}
		all[name] = r.value()
		if r.take('}') {
			break
		}
		if r.bad = r.bad || !r.take(','); r.bad {
			return nil
		}
	}
	return all
}

func (r *reader) list() any {
	all := []any{}
	for !r.take(']') {
		all = append(all, r.value())
		if r.take(']') {
			break
		}
		if r.bad = r.bad || !r.take(','); r.bad {
			return nil
		}
	}
	return all
}

func (r *reader) text() string {
	if !r.take('"') {
		r.bad = true
		return ""
	}
	end := strings.IndexByte(r.rest, '"')
	if end < 0 {
		r.bad, r.rest = true, ""
		return ""
	}
	if plain := r.rest[:end]; strings.IndexByte(plain, '\\') < 0 {
		r.rest = r.rest[end+1:]
		return plain
	}
	end = 0
	for end < len(r.rest) && r.rest[end] != '"' {
		if r.rest[end] == '\\' {
			end++
		}
		end++
	}
	var text string
	if end >= len(r.rest) || json.Unmarshal([]byte(`"`+r.rest[:end+1]), &text) != nil {
		r.bad, r.rest = true, ""
		return ""
	}
	r.rest = r.rest[end+1:]
	return text
}

func (r *reader) scalar() any {
	end := strings.IndexAny(r.rest, ",]}")
	if end < 0 {
		end = len(r.rest)
	}
	literal := r.rest[:end]
	r.rest = r.rest[end:]
	switch literal {
	case "null":
		return nil
	case "true":
		return true
	case "false":
		return false
	}
	if literal == "" || literal[0] != '-' && (literal[0] < '0' || literal[0] > '9') {
		r.bad = true
	}
	return json.Number(literal)
}
