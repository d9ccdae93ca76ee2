package kongtest

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// compileRust compiles a regular expression in the syntax of Rust's regex crate,
// which the router's patterns have (F22), and with its meaning: classes such as \d
// hold all of Unicode, a repetition may be repeated ("a++", which is no possessive
// quantifier), names of groups begin with ?<, braces always repeat. Word
// boundaries are those of ASCII, and what the flag R changes is left out.
func compileRust(source string) (*regexp.Regexp, error) {
	if !utf8.ValidString(source) {
		return nil, errors.New("invalid UTF-8")
	}
	t := &rustTranslator{in: source, flags: rustFlags{unicode: true}, names: map[string]bool{}, last: -1}
	if err := t.translate(); err != nil {
		return nil, err
	}
	return regexp.Compile(t.out.String())
}

type rustFlags struct{ unicode, verbose bool }

// rustTranslator writes Go's syntax while it reads Rust's.
type rustTranslator struct {
	in    string
	at    int
	out   rustOutput
	flags rustFlags
	open  []rustGroup
	names map[string]bool
	last  int  // where the last expression begins that a repetition would repeat, or -1
	again bool // it is a repetition already
}

type rustGroup struct {
	flags rustFlags
	start int
}

type rustOutput struct{ strings.Builder }

// wrap puts what begins at start into a group of its own.
func (o *rustOutput) wrap(start int) {
	text := o.String()
	o.Reset()
	o.WriteString(text[:start] + "(?:" + text[start:] + ")")
}

func (t *rustTranslator) rest() string { return t.in[t.at:] }

// put writes one expression that can be repeated.
func (t *rustTranslator) put(text string) {
	t.last, t.again = t.out.Len(), false
	t.out.WriteString(text)
}

func (t *rustTranslator) translate() error {
	for t.at < len(t.in) {
		if err := t.step(); err != nil {
			return err
		}
	}
	if len(t.open) > 0 {
		return errors.New("unclosed group")
	}
	return nil
}

func (t *rustTranslator) step() error {
	c, size := utf8.DecodeRuneInString(t.rest())
	if t.flags.verbose && strings.ContainsRune(" \t\n\v\f\r", c) {
		t.at++
		return nil
	}
	if t.flags.verbose && c == '#' {
		comment, _, _ := strings.Cut(t.rest(), "\n")
		t.at += len(comment)
		return nil
	}
	switch c {
	case '\\':
		text, err := t.escape()
		t.put(text)
		return err
	case '[':
		text, err := t.class()
		t.put(text)
		return err
	case '(':
		return t.group()
	case ')':
		return t.end()
	case '|':
		t.out.WriteByte('|')
		t.last = -1
	case '*', '+', '?':
		t.at++
		return t.repeat(string(c))
	case '{':
		return t.count()
	case '.', '^', '$':
		t.put(string(c))
	default:
		t.put(regexp.QuoteMeta(string(c)))
	}
	t.at += size
	return nil
}

func (t *rustTranslator) repeat(operator string) error {
	if t.last < 0 {
		return errors.New("repetition operator missing expression")
	}
	if strings.HasPrefix(t.rest(), "?") {
		t.at++
		operator += "?"
	}
	if t.again {
		t.out.wrap(t.last)
	}
	t.out.WriteString(operator)
	t.again = true
	return nil
}

var repetition = regexp.MustCompile(`^\{\s*([0-9]+)\s*(,\s*([0-9]*)\s*)?\}`)

func (t *rustTranslator) count() error {
	found := repetition.FindStringSubmatch(t.rest())
	if found == nil {
		return errors.New("repetition quantifier expects a valid decimal")
	}
	t.at += len(found[0])
	operator := "{" + found[1]
	if found[2] != "" {
		operator += "," + found[3]
	}
	return t.repeat(operator + "}")
}

var (
	groupName  = regexp.MustCompile(`^\(\?P?<([\pL_][\pL\p{Nd}_.\[\]]*)>`)
	groupFlags = regexp.MustCompile(`^\(\?([imsUuRx]*)(-[imsUuRx]+)?([:)])`)
)

func (t *rustTranslator) group() error {
	before := rustGroup{flags: t.flags, start: t.out.Len()}
	if !strings.HasPrefix(t.rest(), "(?") {
		t.at++
		t.out.WriteByte('(')
	} else if name := groupName.FindStringSubmatch(t.rest()); name != nil {
		if t.names[name[1]] {
			return errors.New("duplicate capture group name")
		}
		t.names[name[1]] = true
		t.at += len(name[0])
		t.out.WriteByte('(')
	} else if found := groupFlags.FindStringSubmatch(t.rest()); found != nil && found[0] != "(?)" {
		t.at += len(found[0])
		t.set(found[1], true)
		t.set(strings.TrimPrefix(found[2], "-"), false)
		flags := goFlags(found[1], "") + goFlags(found[2], "-")
		if found[3] == ")" {
			if t.last = -1; flags != "" {
				t.out.WriteString("(?" + flags + ")")
			}
			return nil
		}
		t.out.WriteString("(?" + flags + ":")
	} else {
		return errors.New("look-around, conditions, comments and atomic groups are not supported")
	}
	t.open = append(t.open, before)
	t.last = -1
	return nil
}

func (t *rustTranslator) set(flags string, on bool) {
	for _, flag := range flags {
		switch flag {
		case 'u':
			t.flags.unicode = on
		case 'x':
			t.flags.verbose = on
		}
	}
}

// goFlags keeps those that Go has too.
func goFlags(flags, sign string) string {
	kept := strings.Map(func(r rune) rune {
		if strings.ContainsRune("imsU", r) {
			return r
		}
		return -1
	}, flags)
	if kept == "" {
		return ""
	}
	return sign + kept
}

func (t *rustTranslator) end() error {
	if len(t.open) == 0 {
		return errors.New("unopened group")
	}
	group := t.open[len(t.open)-1]
	t.open = t.open[:len(t.open)-1]
	t.flags, t.last, t.again = group.flags, group.start, false
	t.out.WriteByte(')')
	t.at++
	return nil
}

// perl are the classes of Perl over all of Unicode, to stand within brackets.
var perl = map[byte]string{
	'd': `\p{Nd}`,
	's': `\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}`,
	'w': `\pL\pM\p{Nd}\p{Nl}\p{Pc}\x{200c}\x{200d}\x{24b6}-\x{24e9}`,
}

// escape reads one escape sequence outside of brackets.
func (t *rustTranslator) escape() (string, error) {
	if len(t.rest()) < 2 {
		return "", errors.New("incomplete escape sequence")
	}
	switch c := t.in[t.at+1]; c {
	case 'd', 's', 'w', 'D', 'S', 'W':
		t.at += 2
		if !t.flags.unicode {
			return `\` + string(c), nil
		}
		if set, is := perl[c]; is {
			return "[" + set + "]", nil
		}
		return "[^" + perl[c|0x20] + "]", nil
	case 'A', 'z', 'b', 'B':
		t.at += 2
		return `\` + string(c), nil
	case '<', '>':
		t.at += 2
		return `\b`, nil
	}
	return t.escapedInClass()
}

var (
	hexadecimal = regexp.MustCompile(`^\\[xuU]\{([0-9A-Fa-f]+)\}|^\\x([0-9A-Fa-f]{2})|^\\u([0-9A-Fa-f]{4})|^\\U([0-9A-Fa-f]{8})`)
	property    = regexp.MustCompile(`^\\[pP](?:[A-Za-z]|\{[^{}]+\})`)
)

// escapedInClass reads what may be escaped within brackets and outside of them,
// but for the classes of Perl.
func (t *rustTranslator) escapedInClass() (string, error) {
	if found := hexadecimal.FindStringSubmatch(t.rest()); found != nil {
		t.at += len(found[0])
		code, err := strconv.ParseUint(strings.Join(found[1:], ""), 16, 32)
		if err != nil || code > utf8.MaxRune || code >= 0xd800 && code < 0xe000 {
			return "", errors.New("hexadecimal escape is not a Unicode scalar value")
		}
		return fmt.Sprintf(`\x{%x}`, code), nil
	}
	if found := property.FindString(t.rest()); found != "" {
		t.at += len(found)
		return found, nil
	}
	if len(t.rest()) < 2 {
		return "", errors.New("incomplete escape sequence")
	}
	c := t.in[t.at+1]
	switch {
	case strings.IndexByte("aftnrv", c) >= 0:
		t.at += 2
		return `\` + string(c), nil
	case c >= '0' && c <= '9':
		return "", errors.New("backreferences are not supported")
	case c < ' ', c >= utf8.RuneSelf, c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '<', c == '>':
		return "", errors.New("unrecognized escape sequence")
	}
	t.at += 2
	if strings.IndexByte("&~ #-", c) >= 0 {
		return fmt.Sprintf(`\x{%x}`, c), nil
	}
	return `\` + string(c), nil
}

var posixClass = regexp.MustCompile(`^\[:\^?[a-z]+:\]`)

// class reads a class in brackets. Classes within classes are joined to it;
// intersections and differences of classes are refused: Go has none.
func (t *rustTranslator) class() (string, error) {
	t.at++
	var out strings.Builder
	out.WriteByte('[')
	negated := strings.HasPrefix(t.rest(), "^")
	if negated {
		t.at++
		out.WriteByte('^')
	}
	for first := true; ; first = false {
		rest := t.rest()
		switch {
		case rest == "":
			return "", errors.New("unclosed character class")
		case rest[0] == ']' && !first:
			t.at++
			out.WriteByte(']')
			return out.String(), nil
		case t.flags.verbose && strings.IndexByte(" \t\n\v\f\r", rest[0]) >= 0:
			t.at++
		case strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, "--") && !first, strings.HasPrefix(rest, "~~"):
			return "", errors.New("class set operations are not simulated")
		case posixClass.MatchString(rest):
			name := posixClass.FindString(rest)
			t.at += len(name)
			out.WriteString(name)
		case rest[0] == '[':
			inner, err := t.class()
			if err != nil {
				return "", err
			}
			if inner, err = spelled(inner); err != nil {
				return "", err
			}
			out.WriteString(inner)
		case rest[0] == '\\':
			if err := t.escapeInto(&out); err != nil {
				return "", err
			}
		default:
			c, size := utf8.DecodeRuneInString(rest)
			t.at += size
			if c == '-' && !strings.HasPrefix(t.rest(), "]") && !first {
				out.WriteByte('-')
			} else {
				fmt.Fprintf(&out, `\x{%x}`, c)
			}
		}
	}
}

// spelled writes a class without its brackets, so that it can stand in another.
func spelled(class string) (string, error) {
	inner, negated := strings.CutPrefix(class[1:len(class)-1], "^")
	if !negated {
		return inner, nil
	}
	parsed, err := syntax.Parse("["+inner+"]", syntax.Perl)
	if err != nil {
		return "", err
	}
	runes := parsed.Rune
	if parsed.Op == syntax.OpLiteral {
		runes = []rune{runes[0], runes[0]}
	}
	var out strings.Builder
	next := rune(0)
	for i := 0; i+1 < len(runes); i += 2 {
		if runes[i] > next {
			fmt.Fprintf(&out, `\x{%x}-\x{%x}`, next, runes[i]-1)
		}
		next = runes[i+1] + 1
	}
	if next <= utf8.MaxRune {
		fmt.Fprintf(&out, `\x{%x}-\x{%x}`, next, utf8.MaxRune)
	}
	return out.String(), nil
}

func (t *rustTranslator) escapeInto(out *strings.Builder) error {
	if len(t.rest()) > 1 {
		c := t.in[t.at+1]
		if set, is := perl[c|0x20]; is {
			t.at += 2
			var err error
			switch {
			case !t.flags.unicode:
				set = `\` + string(c)
			case c != c|0x20:
				set, err = spelled("[^" + set + "]")
			}
			out.WriteString(set)
			return err
		}
	}
	text, err := t.escapedInClass()
	out.WriteString(text)
	return err
}
