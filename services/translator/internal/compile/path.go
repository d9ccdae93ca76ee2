package compile

import (
	"regexp"
	"strings"
)

// migratePath converts a path of the formats 1.1 and 2.1 as Kong does: what has
// characters beyond those of plain paths was a regular expression then and gets
// the mark of one; escapes of characters that need none are undone.
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

// unescape replaces percent escapes of unreserved characters by the characters,
// and writes the digits of all others in upper case.
func unescape(s string, regex bool) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			b.WriteByte(s[i])
			continue
		}
		c := unhex(s[i+1])<<4 | unhex(s[i+2])
		switch {
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

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
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

// checkPath says what Kong would refuse in a path; empty when nothing.
func checkPath(path string) string {
	if pattern, ok := strings.CutPrefix(path, "~"); ok {
		if !strings.HasPrefix(pattern, "/") {
			return "should start with / (a plain path) or ~/ (a regular expression)"
		}
		return checkRegex(pattern)
	}
	if !strings.HasPrefix(path, "/") {
		return "should start with / (a plain path) or ~/ (a regular expression)"
	}
	if strings.Contains(path, "//") {
		return "must not have empty segments"
	}
	for i := range len(path) {
		if path[i] == '%' && (i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2])) {
			return "a percent sign must begin an escape of two hexadecimal digits"
		}
	}
	if normal := removeDots(unescape(path, false)); normal != path {
		return "the path is not normalized; write it without unneeded escapes and dot segments"
	}
	return ""
}

// maxRegex bounds the length of a regular expression in a path.
const maxRegex = 16 << 10

// checkRegex reports what no router takes: look-around, back-references and atomic
// groups are beyond the engine of the default router, and Go's is close enough to
// it for the rest. It never runs the expression.
func checkRegex(pattern string) string {
	if len(pattern) > maxRegex {
		return "the regular expression is too long"
	}
	for _, group := range []string{"(?=", "(?!", "(?<=", "(?<!", "(?>"} {
		if strings.Contains(pattern, group) {
			return "look-around and atomic groups are not supported in a path"
		}
	}
	pattern = strings.NewReplacer(`\/`, `/`, `\-`, `-`, `(?<`, `(?P<`, `\_`, `_`, `\:`, `:`, `\#`, `#`, `\&`, `&`, `\~`, `~`).Replace(pattern)
	if _, err := regexp.Compile(pattern); err != nil {
		return "the regular expression does not compile"
	}
	return ""
}
