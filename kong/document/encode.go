package document

import (
	"slices"
	"strings"
)

// Append appends a node in canonical form, the one form of JSON in which equal values have equal bytes:
//
//   - No white space. Keys are sorted by their bytes.
//   - Strings are UTF-8. Only the quote, the backslash and control characters are escaped, in their short form where JSON has one.
//   - An integer keeps its digits; -0 is 0. Any other number is the double that Kong reads, in the shortest form that gives the same
//     double: 1.0 and 1e0 are 1, 0.10 is 0.1.
//   - Nulls stay. Which of them are redundant depends on the schema.
func Append(dst []byte, n *Node) []byte {
	switch n.Kind {
	case Null:
		return append(dst, "null"...)
	case String:
		return AppendString(dst, n.Text)
	case List:
		dst = append(dst, '[')
		for i, item := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = Append(dst, item)
		}
		return append(dst, ']')
	case Map:
		dst = append(dst, '{')
		for i, key := range Sorted(n.Keys) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, key.Name)
			dst = append(dst, ':')
			dst = Append(dst, key.Value)
		}
		return append(dst, '}')
	default:
		return append(dst, n.Text...)
	}
}

// Sorted returns keys sorted by the bytes of their names. It returns the slice itself when that is sorted, else a copy.
func Sorted(keys []Key) []Key {
	byName := func(a, b Key) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(keys, byName) {
		return keys
	}
	keys = slices.Clone(keys)
	slices.SortFunc(keys, byName)
	return keys
}

// AppendString appends a string in canonical form, see Append.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
