package schema

import (
	"errors"
	"regexp/syntax"
	"strings"
)

// maxRegex bounds the expressions that are looked at.
const maxRegex = 16 << 10

func regexOrStar(s string) string {
	if s != "*" && !validPCRE(s) {
		return "not a valid regex"
	}
	return ""
}

// validPCRE tells only expressions that are surely wrong from the rest: PCRE takes
// more than Go's parser, which judges here.
func validPCRE(s string) bool {
	if len(s) > maxRegex || strings.HasPrefix(s, "(*") {
		return true
	}
	_, err := syntax.Parse(s, syntax.Perl)
	var wrong *syntax.Error
	if !errors.As(err, &wrong) {
		return true
	}
	switch wrong.Code {
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrMissingBracket, syntax.ErrTrailingBackslash:
		return false
	case syntax.ErrMissingRepeatArgument:
		return strings.Contains(s, "{") // PCRE takes a brace that begins no repetition as it is
	case syntax.ErrInvalidCharRange:
		return strings.ContainsAny(s, `\:`)
	}
	return true
}

// routerRefuses says what the regular expressions of the default router lack and
// PCRE has (F22), or nothing.
func routerRefuses(s string) string {
	inClass := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			switch next := s[i]; {
			case next >= '1' && next <= '9' && !inClass:
				return "backreferences are not supported"
			case isLetter(next) && strings.IndexByte("aftnrvxuUdDsSwWbBAzpP", next) < 0:
				return "an escape sequence is not recognized"
			}
		case inClass:
			inClass = c != ']'
		case c == '[':
			inClass = true
			if i+1 < len(s) && s[i+1] == '^' {
				i++
			}
			if i+1 < len(s) && s[i+1] == ']' {
				i++
			}
		case c == '(' && i+2 < len(s) && s[i+1] == '?':
			rest := s[i+2:]
			for _, group := range []string{"=", "!", "<=", "<!"} {
				if strings.HasPrefix(rest, group) {
					return "look-around is not supported"
				}
			}
			if strings.IndexByte(">|#R&+(", rest[0]) >= 0 || isDigit(rest[0]) {
				return "atomic groups, conditions, comments and recursion are not supported"
			}
		}
	}
	return ""
}
