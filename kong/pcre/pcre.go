// Package pcre reports what PCRE2 10.42 and later certainly refuse in a regular expression, compiled for bytes as in OpenResty. Kong
// compiles every path with it before the router does, and plugins use it for their patterns. The package does not match.
//
// It accepts what versions or builds of PCRE2 treat differently, and rare limits that are not worth their code (the length of look-behind,
// the number of branches of a condition, the compiled size). There the gateway decides.
package pcre

import (
	"strconv"
	"strings"
)

// Limits of PCRE2.
const (
	maxCount = 65535
	maxDepth = 250
	maxName  = 128 // 32 before 10.44
)

// Check returns why PCRE2 refuses an expression; empty means that no reason is known. The message holds no text of the expression. It takes
// linear time.
func Check(text string) string {
	r := reader{text: text, names: map[string]bool{}}
	r.read()
	if r.wrong == "" {
		r.references()
	}
	return r.wrong
}

type reader struct {
	text  string
	at    int
	wrong string

	extended bool // flag x
	dupNames bool // flag J
	open     []group
	groups   int
	names    map[string]bool
	needs    []string // the names and numbers to which the expression refers
	// Whether a quantifier may follow the last item.
	item bool
}

// group is the state that a closing parenthesis restores.
type group struct{ extended, dupNames bool }

func (r *reader) fail(message string) {
	if r.wrong == "" {
		r.wrong = message
	}
	r.at = len(r.text)
}

func (r *reader) rest() string { return r.text[r.at:] }

func (r *reader) has(prefix string) bool {
	if strings.HasPrefix(r.rest(), prefix) {
		r.at += len(prefix)
		return true
	}
	return false
}

func (r *reader) read() {
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case r.extended && strings.IndexByte(" \t\n\v\f\r", c) >= 0:
		case r.extended && c == '#':
			_, rest, _ := strings.Cut(r.rest(), "\n")
			r.at = len(r.text) - len(rest)
		case c == '\\':
			r.escape()
		case c == '[':
			r.class()
		case c == '(':
			r.group()
		case c == ')':
			if len(r.open) == 0 {
				r.fail("a parenthesis closes what was not opened")
				return
			}
			last := r.open[len(r.open)-1]
			r.open = r.open[:len(r.open)-1]
			r.extended, r.dupNames, r.item = last.extended, last.dupNames, true
		case c == '|', c == '^', c == '$':
			r.item = false
		case c == '*', c == '+', c == '?':
			r.quantifier()
		case c == '{':
			r.braces()
		default:
			r.item = true
		}
	}
	if r.wrong == "" && len(r.open) > 0 {
		r.wrong = "a group is not closed"
	}
}

func (r *reader) quantifier() {
	if !r.item {
		r.fail("a repetition has nothing to repeat")
		return
	}
	if !r.has("?") {
		r.has("+")
	}
	r.item = false
}

// braces reads a counted repetition; any other brace is a character.
func (r *reader) braces() {
	inside, _, closed := strings.Cut(r.rest(), "}")
	least, most, two := strings.Cut(inside, ",")
	if !closed || !isDigits(least) || two && most != "" && !isDigits(most) {
		r.item = true
		return
	}
	from, to := count(least), maxCount
	if !two {
		to = from
	} else if most != "" {
		to = count(most)
	}
	r.at += len(inside) + 1
	switch {
	case from > maxCount || to > maxCount:
		r.fail("a repetition's count is above 65535")
	case from > to:
		r.fail("a repetition's minimum is above its maximum")
	default:
		r.quantifier()
	}
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

func count(digits string) int {
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return maxCount + 1
	}
	return int(n)
}

// push opens a group.
func (r *reader) push() {
	if r.open = append(r.open, group{r.extended, r.dupNames}); len(r.open) > maxDepth {
		r.fail("groups are nested more than 250 levels deep")
	}
	r.item = false
}

func (r *reader) group() {
	if r.has("*") {
		r.verb()
		return
	}
	if !r.has("?") {
		r.groups++
		r.push()
		return
	}
	if r.has("#") {
		_, rest, closed := strings.Cut(r.rest(), ")")
		if r.at = len(r.text) - len(rest); !closed {
			r.fail("a comment is not closed")
		}
		return
	}
	for _, kind := range []string{":", "|", ">", "=", "!", "<=", "<!", "*", "<*"} {
		if r.has(kind) {
			r.push()
			return
		}
	}
	switch {
	case r.has("P<"), r.has("<"):
		r.named('>')
	case r.has("'"):
		r.named('\'')
	case r.has("P="), r.has("P>"), r.has("&"):
		name := r.name()
		if r.need(name); r.wrong == "" && !r.has(")") {
			r.fail("a reference to a group is not closed")
		}
		r.item = true
	case r.has("("):
		r.condition()
	case r.has("C"):
		text, _, closed := strings.Cut(r.rest(), ")")
		r.at = min(len(r.text), r.at+len(text)+1)
		if !closed || isDigits(text) && count(text) > 255 {
			r.fail("a callout is not well formed")
		}
	case r.has("R)"):
		r.item = true
	default:
		r.flagsOrNumber()
	}
}

// verb reads what begins with (* and a word. With anything else the star has nothing to repeat.
func (r *reader) verb() {
	rest := r.rest()
	if rest == "" || (rest[0] != ':' && !isLetter(rest[0])) {
		r.fail("a repetition has nothing to repeat")
		return
	}
	word := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz_"))]
	if word != "" && strings.HasPrefix(rest[len(word):], ":") {
		r.at += len(word) + 1 // an assertion by name
		r.push()
		return
	}
	_, after, closed := strings.Cut(rest, ")")
	if r.at = len(r.text) - len(after); !closed {
		r.fail("a verb is not closed")
	}
	r.item = strings.HasPrefix(rest, "ACCEPT")
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func (r *reader) name() string {
	start := r.at
	for r.at < len(r.text) && (isLetter(r.text[r.at]) || isDigit(r.text[r.at]) || r.text[r.at] == '_') {
		r.at++
	}
	name := r.text[start:r.at]
	switch {
	case name == "":
		r.fail("the name of a group is missing")
	case isDigit(name[0]):
		r.fail("the name of a group begins with a digit")
	case len(name) > maxName:
		r.fail("the name of a group is too long")
	}
	return name
}

func (r *reader) named(end byte) {
	name := r.name()
	if r.wrong != "" {
		return
	}
	if !r.has(string(end)) {
		r.fail("the name of a group has a character that it cannot have")
		return
	}
	if r.names[name] && !r.dupNames {
		r.fail("two groups have the same name")
		return
	}
	r.names[name] = true
	r.groups++
	r.push()
}

func (r *reader) need(what string) {
	if what != "" && len(r.needs) < 1000 {
		r.needs = append(r.needs, what)
	}
}

// condition reads the condition of a conditional group. A look-around is left to be read.
func (r *reader) condition() {
	if strings.HasPrefix(r.rest(), "?") || strings.HasPrefix(r.rest(), "*") {
		r.at--
		r.push()
		return
	}
	text, rest, closed := strings.Cut(r.rest(), ")")
	if r.at = len(r.text) - len(rest); !closed {
		r.fail("a condition is not closed")
		return
	}
	if isDigits(text) {
		r.need(text)
	}
	r.push()
}

// flagsOrNumber reads flags, alone or of a group, or the call of a group by number.
func (r *reader) flagsOrNumber() {
	text := r.rest()
	number := strings.TrimLeft(text, "+-")
	digits := number[:len(number)-len(strings.TrimLeft(number, "0123456789"))]
	if digits != "" && len(text)-len(number) <= 1 {
		switch sign := text[:len(text)-len(number)]; {
		case sign == "-" && count(digits) > r.groups, sign != "" && count(digits) == 0:
			r.fail("a reference to a group that does not exist")
			return
		case sign == "+":
			r.need(strconv.Itoa(r.groups + count(digits)))
		case sign == "":
			r.need(digits)
		}
		if r.at += len(text) - len(number) + len(digits); !r.has(")") {
			r.fail("a reference to a group is not closed")
		}
		r.item = true
		return
	}
	extended, dupNames, on := r.extended, r.dupNames, true
	for i := 0; r.at < len(r.text); i++ {
		c := r.text[r.at]
		r.at++
		switch {
		case c == ')':
			r.extended, r.dupNames, r.item = extended, dupNames, false
			return
		case c == ':':
			r.push()
			r.extended, r.dupNames = extended, dupNames
			return
		case c == '^' && i == 0:
			extended = false
		case c == '-' && on:
			on = false
		case c == 'x':
			extended = on
		case c == 'J':
			dupNames = on
		case strings.IndexByte("imsnU", c) >= 0:
		case strings.IndexByte("aDSWTPr", c) >= 0 && i > 0: // since 10.43, after an a
		default:
			r.fail("a group begins with something that is neither a flag nor a name")
			return
		}
	}
	r.fail("a group is not closed")
}

// references checks the references to groups after all groups are known.
func (r *reader) references() {
	for _, what := range r.needs {
		if isDigits(what) && count(what) > r.groups || !isDigits(what) && !r.names[what] {
			r.wrong = "a reference to a group that does not exist"
			return
		}
	}
}
