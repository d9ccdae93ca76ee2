// Package pattern compiles the regular expressions of routes.
package pattern

import (
	"regexp"

	"github.com/silverback-gateway/silverback/kong/rustregex"
)

// Compile compiles a regular expression in the syntax of Rust's regex crate,
// which the router's patterns have (F22), as closely as Go can match it. One that
// only Rust's engine could match is taken, for a gateway takes it, and never matches.
func Compile(source string) (*regexp.Regexp, error) {
	parsed, err := rustregex.Parse(source)
	if err != nil {
		return nil, err
	}
	pattern, err := regexp.Compile(parsed.Go())
	if err != nil {
		return unmatched, nil //nolint:nilerr // a limit of this engine is no fault of the expression
	}
	return pattern, nil
}

var unmatched = regexp.MustCompile(`[^\x00-\x{10FFFF}]`)
