package document

import (
	"slices"
	"strings"
)

// Append writes the node in canonical form, see snapshot.Canonicalize.
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

// Sorted returns keys in the order of their names' bytes; the slice itself when
// they are in order already.
func Sorted(keys []Key) []Key {
	byName := func(a, b Key) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(keys, byName) {
		return keys
	}
	keys = slices.Clone(keys)
	slices.SortFunc(keys, byName)
	return keys
}

// AppendString writes a string in canonical form.
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
