package snapshot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Canonicalize returns JSON in the one form that canonical bytes use, on one
// line; applied to its own result it changes nothing. The rules:
//
//   - No white space. Object keys are sorted by their bytes, and none may come twice.
//   - Strings are UTF-8 with only quote, backslash and control characters escaped.
//     Invalid UTF-8 and lone surrogates are refused, as nobody can say what was meant.
//   - A number without fraction and exponent keeps its digits, however many (-0 is 0).
//     Any other is read as the double that Kong would read and written in the
//     shortest form that gives the same double: 1.0 and 1e0 are 1, 0.10 is 0.1. One
//     beyond the doubles is refused.
//   - Nulls stay: which of them say something is not for JSON to know.
//
// A refusal is a *JSONError.
func Canonicalize(raw []byte) ([]byte, error) {
	p := parser{in: raw}
	out, err := p.document(make([]byte, 0, len(raw)))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// AppendCanonical appends a value in canonical form; see Canonicalize. Values as
// encoding/json decodes them, json.Number included, are written directly, whatever
// else by way of its MarshalJSON or encoding/json. On an error dst is returned as
// it was.
func AppendCanonical(dst []byte, value any) ([]byte, error) {
	start := len(dst)
	out, err := appendValue(dst, value, 0)
	if err != nil {
		return dst[:start], err
	}
	return out, nil
}

func appendValue(dst []byte, value any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, &JSONError{Reason: tooDeep}
	}
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v)
	case json.Number:
		p := parser{in: []byte(v)}
		out, err := p.number(dst)
		if err == nil && p.at != len(p.in) {
			err = p.fail("a json.Number that is no number")
		}
		return out, err
	case float64:
		return appendFloat(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case []any:
		return appendArray(dst, v, depth)
	case map[string]any:
		return appendObject(dst, v, depth)
	case json.RawMessage:
		p := parser{in: v, depth: depth}
		return p.document(dst)
	default:
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode %T: %w", value, err)
		}
		p := parser{in: raw, depth: depth}
		return p.document(dst)
	}
}

func appendArray(dst []byte, items []any, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendValue(dst, item, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, object map[string]any, depth int) ([]byte, error) {
	var err error
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(object)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendString(dst, key); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, object[key], depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, &JSONError{Reason: "invalid UTF-8"}
	}
	dst = append(dst, '"')
	if strings.IndexFunc(s, escaped) < 0 {
		dst = append(dst, s...)
		return append(dst, '"'), nil
	}
	for i := range len(s) {
		dst = appendByte(dst, s[i])
	}
	return append(dst, '"'), nil
}

func escaped(r rune) bool { return r < ' ' || r == '"' || r == '\\' }

// appendByte appends one byte of a string, escaped if need be.
func appendByte(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c >= ' ':
		return append(dst, c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c == '\b':
		return append(dst, `\b`...)
	case c == '\f':
		return append(dst, `\f`...)
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendFloat writes a double in the shortest form, as ECMAScript does.
func appendFloat(dst []byte, f float64) ([]byte, error) {
	size := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, &JSONError{Reason: "a number beyond the doubles"}
	case f == 0:
		return append(dst, '0'), nil // also for -0
	case size >= 1e-6 && size < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64), nil
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); bytes.HasSuffix(dst[start:], []byte{'e', '-', '0', dst[n-1]}) {
		dst = append(dst[:n-2], dst[n-1]) // e-07 is e-7
	}
	return dst, nil
}
