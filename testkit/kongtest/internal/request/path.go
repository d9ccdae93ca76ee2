package request

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// reserved are the characters whose percent-encoding differs in meaning from the characters themselves (RFC 3986).
const reserved = "!*'();:@&=+$,/?%#[]"

var percentEncoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// Normal returns the path that routes are matched with (F45). Percent-encoding is undone, except of reserved characters, whose digits
// become upper case. Then "." and ".." are resolved, and slashes in a row become one.
func Normal(path string) string {
	path = percentEncoded.ReplaceAllStringFunc(path, func(triplet string) string {
		char, _ := strconv.ParseUint(triplet[1:], 16, 8) // two hexadecimal digits
		if strings.IndexByte(reserved, byte(char)) >= 0 {
			return strings.ToUpper(triplet)
		}
		return string([]byte{byte(char)})
	})
	var kept []string // each begins with a slash, except perhaps the first
	for path != "" {
		switch {
		case path == "." || path == "..":
			path = ""
		case strings.HasPrefix(path, "./"):
			path = path[2:]
		case strings.HasPrefix(path, "../"):
			path = path[3:]
		case path == "/.":
			path = "/"
		case strings.HasPrefix(path, "/./"), strings.HasPrefix(path, "//"):
			path = path[strings.IndexByte(path[1:], '/')+1:]
		case path == "/..", strings.HasPrefix(path, "/../"):
			kept = kept[:max(len(kept)-1, 0)]
			path = "/" + strings.TrimPrefix(path[3:], "/")
		default:
			end := len(path)
			if slash := strings.IndexByte(path[1:], '/'); slash >= 0 {
				end = slash + 1
			}
			kept = append(kept, path[:end])
			path = path[end:]
		}
	}
	return strings.Join(kept, "")
}

// Climbs reports whether ".." leaves the root. Nginx answers 400 to that before any route is looked for.
func Climbs(path string) bool {
	depth := 0
	path = strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/").Replace(path)
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch segment {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// Escaped writes a path as it goes to the upstream. Whatever may not stand in a request is percent-encoded.
func Escaped(path string) string {
	var out strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(reserved+"-._~", c) >= 0:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// LowerASCII lowers the case of ASCII letters alone, as Lua does.
func LowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
