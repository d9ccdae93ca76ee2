package entity

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/silverback-gateway/silverback/kong/rustregex"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// blockRemedy is a hint for authors who did not intend the character. It is mostly the end of a YAML block.
const blockRemedy = "; remove it (in YAML, |- and >- begin a block without a line feed at its end)"

// RoutePath returns a warning about the path of a route, plain or a regular expression. Gateways take every character, and compare with the
// path of a request after they decode its escapes.
func RoutePath(s string) string {
	c, found := control(s, "")
	if !found || strings.HasPrefix(s, "~") && spread.MatchString(s) {
		return ""
	}
	var escaped strings.Builder
	for _, b := range []byte(string(c)) {
		fmt.Fprintf(&escaped, "%%%02X", b)
	}
	return "holds " + called(c) + ", which only a request with " + escaped.String() + " in its path has" + blockRemedy
}

// HeaderValue returns a warning about the value, plain or a regular expression, of a header on which a route matches.
func HeaderValue(s string) string {
	work := rustregex.Work / 4
	if refused, doubt := schema.HeaderRegexp(s, &work); refused != "" {
		return "only gateways of the router flavor traditional take this: " + refused
	} else if doubt != "" {
		return doubt
	}
	c, found := control(s, "\t")
	if !found || strings.HasPrefix(s, "~*") && spread.MatchString(s) {
		return ""
	}
	return "holds " + called(c) + ", which no header of a request may hold, so that it never matches" + blockRemedy
}

// spread matches the flag x of regular expressions, under which they may have several lines.
var spread = regexp.MustCompile(`\(\?[A-Za-z]*x`)

// control returns the first control character that is not allowed.
func control(s, allowed string) (rune, bool) {
	for _, c := range s {
		if unicode.IsControl(c) && !strings.ContainsRune(allowed, c) {
			return c, true
		}
	}
	return 0, false
}

func called(c rune) string {
	switch c {
	case '\n':
		return "a line feed"
	case '\r':
		return "a carriage return"
	case '\t':
		return "a tab"
	}
	return fmt.Sprintf("the control character 0x%02x", c)
}
