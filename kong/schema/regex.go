package schema

import (
	"errors"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/pcre"
	"github.com/silverback-gateway/silverback/kong/rustregex"
)

// maxRegex is the longest expression that is checked.
const maxRegex = 16 << 10

func regexOrStar(s string) string {
	if s != "*" && !validPCRE(s) {
		return "not a valid regex"
	}
	return ""
}

// PathPattern returns why PCRE2 refuses the expression of a path that begins with a tilde. Gateways of every flavor ask PCRE2 before their
// router.
func PathPattern(path string) string {
	pattern, is := strings.CutPrefix(path, "~")
	if !is || len(pattern) > maxRegex {
		return ""
	}
	return pcre.Check(pattern)
}

// validPCRE reports whether an expression may be valid. False is certain.
func validPCRE(s string) bool { return len(s) > maxRegex || pcre.Check(s) == "" }

// PathRegexp checks a path that begins with a tilde as the routers of the flavors traditional_compatible and expressions do, which compile
// it with Rust's regex crate (F22). It returns why they refuse it, or why that is uncertain. Positions are those in the path. Any other
// path is fine. The work is that of rustregex.
func PathRegexp(path string, work *int) (refused, uncertain string) {
	pattern, is := strings.CutPrefix(path, "~")
	if !is {
		return "", ""
	}
	// Kong anchors it, and rewrites names of groups in the older syntax.
	return routerRegexp("^"+strings.ReplaceAll(pattern, "?<", "?P<"), work, func(at int) int {
		inserted := 0
		for from := 0; ; inserted++ {
			next := strings.Index(pattern[from:], "?<")
			if next < 0 || at <= len("^?")+from+next+inserted {
				return at - inserted
			}
			from += next + len("?<")
		}
	})
}

// HeaderRegexp checks the value of a route's header that begins with ~* in the same way. Kong puts the value, its escapes included, into
// lower case.
func HeaderRegexp(value string, work *int) (refused, uncertain string) {
	pattern, is := strings.CutPrefix(value, "~*")
	if !is {
		return "", ""
	}
	return routerRegexp(lower(pattern), work, func(at int) int { return at + len("~*") })
}

func routerRegexp(pattern string, work *int, place func(int) int) (refused, uncertain string) {
	if len(pattern) > maxRegex {
		return "", "the regular expression is too long to be checked"
	}
	read, err := rustregex.ParseWithin(pattern, work)
	var wrong *rustregex.Error
	switch {
	case errors.As(err, &wrong):
		return "not a regular expression that the router takes: " + wrong.Message + ", at character " + strconv.Itoa(place(wrong.Offset)+1), ""
	case read.Uncertain() != "":
		return "", "a gateway may refuse the regular expression: " + read.Uncertain()
	}
	return "", ""
}

// lower puts ASCII into lower case, as Lua does.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
