package pcre

import (
	"strings"

	"github.com/silverback-gateway/silverback/kong/rustregex"
)

// Classes that PCRE2 has besides scripts and properties of characters: general categories by their short names, its own, and those of text
// direction.
const (
	categories = " any c cc cf cn co cs l l& lc ll lm lo lt lu m mc me mn n nd nl no p pc pd pe pf pi po ps s sc sk sm so z zl zp zs "
	own        = " xan xps xsp xwd xuc unknown zzzz ascii "
	directions = " al an b bn cs en es et fsi l lre lri lro nsm on pdf pdi r rle rli rlo s ws "
	// Properties that PCRE2 lacks.
	lacking = " hyphen otheralphabetic oalpha otherdefaultignorablecodepoint odi othergraphemeextend ogrext otheridcontinue oidc " +
		"otheridstart oids otherlowercase olower othermath omath otheruppercase oupper "
)

// known reports whether \p{name} is a class.
func known(name string) bool {
	name = strings.TrimPrefix(strings.Map(func(c rune) rune {
		switch {
		case c == '-' || c == '_' || c == ' ' || c >= '\t' && c <= '\r':
			return -1
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return c
	}, name), "^")
	if at := strings.IndexAny(name, ":="); at >= 0 {
		kind, value := name[:at], name[at+1:]
		switch kind {
		case "sc", "script", "scx", "scriptextensions":
			return rustregex.IsScript(value)
		case "bc", "bidiclass":
			return isOneOf(directions, value)
		}
		return false
	}
	if direction, is := strings.CutPrefix(name, "bidi"); is && isOneOf(directions, direction) {
		return true
	}
	return isOneOf(categories, name) || isOneOf(own, name) || rustregex.IsScript(name) ||
		rustregex.IsBinary(name) && !isOneOf(lacking, name)
}

func isOneOf(words, word string) bool {
	return word != "" && !strings.Contains(word, " ") && strings.Contains(words, " "+word+" ")
}
