package compile

import (
	"encoding/hex"
	"strings"

	"github.com/silverback-gateway/silverback/kong/rustregex"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// migratePath converts a path of the formats 1.1 and 2.1 as Kong does. A path with other than plain characters was a regular expression and
// gets the prefix of one. Needless escapes are undone.
func migratePath(path string) string {
	for i := range len(path) {
		c := path[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._~/%-", c) >= 0) {
			return "~" + unescape(path, true)
		}
	}
	return mergeSlashes(removeDots(unescape(path, false)))
}

const (
	reserved = "!#$%&'()*+,/:;=?@[]"
	meta     = ".^-{}\\|"
)

// unescape replaces percent escapes of unreserved characters and writes the others in upper case.
func unescape(s string, regex bool) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var code []byte
		if s[i] == '%' && i+2 < len(s) {
			code, _ = hex.DecodeString(s[i+1 : i+3])
		}
		if len(code) == 0 {
			b.WriteByte(s[i])
			continue
		}
		switch c := code[0]; {
		case strings.IndexByte(reserved, c) >= 0:
			b.WriteString(strings.ToUpper(s[i : i+3]))
		case regex && strings.IndexByte(meta, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
		i += 2
	}
	return b.String()
}

// removeDots resolves the segments . and .. of an absolute path.
func removeDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path, "/")
	out := segments[:0:0]
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return strings.Join(out, "/")
}

func mergeSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// maxRegex bounds the length of a regular expression in a path.
const maxRegex = 16 << 10

// regexWarning returns why some gateways refuse the regular expression of a path (F22). Validators refuse it where the group has such
// gateways.
func regexWarning(path string) string {
	work := rustregex.Work / 4
	refused, doubt := schema.PathRegexp(path, &work)
	if refused != "" {
		return "only gateways of the router flavor traditional take this: " + refused
	}
	return doubt
}
