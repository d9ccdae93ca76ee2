// Package pattern compiles regular expressions in the syntax of Rust's crate regex, which Kong's router has for paths and headers (F22). It
// is written apart from kong/rustregex on purpose, and in less detail: it translates to Go's syntax and refuses what Rust has no syntax
// for.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNesting is the crate's limit on nested groups and classes.
const maxNesting = 250

// never is in the place of an expression that Rust takes and Go cannot compile.
var never = regexp.MustCompile(`[^\x00-\x{10FFFF}]`)

// Compile compiles an expression. One that only Rust's engine can compile is accepted, as gateways do, and never matches: repetitions of
// more than 1000, and other limits of Go's engine.
func Compile(source string) (*regexp.Regexp, error) {
	if !utf8.ValidString(source) {
		return nil, errors.New("not UTF-8")
	}
	t := translator{rest: source, flags: flags{unicode: true}, atom: -1, names: map[string]bool{}}
	if err := t.expression(); err != nil {
		return nil, fmt.Errorf("%w at character %d", err, len(source)-len(t.rest)+1)
	}
	compiled, err := regexp.Compile(t.out.String())
	if err != nil {
		return never, nil //nolint:nilerr // a limit of Go's engine
	}
	return compiled, nil
}

type flags struct{ fold, verbose, unicode bool }

// group is an open group: where it began, and the flags before it.
type group struct {
	at    int
	flags flags
}

type translator struct {
	rest  string
	out   out
	flags flags
	atom  int // where in out the last atom begins, which a repetition repeats; -1 is none
	open  []group
	names map[string]bool
}

type out struct{ strings.Builder }

// cut takes the text from a position on out of the builder.
func (o *out) cut(at int) string {
	text := o.String()
	o.Reset()
	o.WriteString(text[:at])
	return text[at:]
}

var (
	groupStart  = regexp.MustCompile(`^\?(?:P?<([\pL_][\pL\pN_.\[\]]*)>|([imsUuxR]*)(?:-([imsUuxR]+))?([:)]))`)
	counted     = regexp.MustCompile(`^\{\s*([0-9]+)\s*(?:(,)\s*([0-9]+)?\s*)?\}`)
	spaces      = regexp.MustCompile(`^(?:\s|#[^\n]*(?:\n|$))+`)
	hexadecimal = regexp.MustCompile(`^(?:[xuU]\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))`)
	property    = regexp.MustCompile(`^[pP](?:\{(\^?)((?:\w+[=:])?[\w ]+)\}|(\pL))`)
	goName      = regexp.MustCompile(`^\w+$`)
	posix       = regexp.MustCompile(`^\[:\^?[a-z]+:\]`)
)

func (t *translator) expression() error {
	for {
		if t.flags.verbose {
			t.rest = t.rest[len(spaces.FindString(t.rest)):]
		}
		if t.rest == "" {
			if len(t.open) > 0 {
				return errors.New("unclosed group")
			}
			return nil
		}
		if err := t.one(); err != nil {
			return err
		}
	}
}

func (t *translator) one() error {
	c, size := utf8.DecodeRuneInString(t.rest)
	switch c {
	case '(':
		return t.group()
	case ')':
		if len(t.open) == 0 {
			return errors.New("unopened group")
		}
		g := t.open[len(t.open)-1]
		t.open, t.flags, t.atom = t.open[:len(t.open)-1], g.flags, g.at
		t.out.WriteByte(')')
	case '|':
		t.out.WriteByte('|')
		t.atom = -1
	case '*', '+', '?':
		t.rest = t.rest[1:]
		return t.repeat(string(c))
	case '{':
		return t.count()
	case '[':
		set, err := t.class(0)
		if err == nil {
			t.write(set)
		}
		return err
	case '\\':
		return t.escape()
	case '^', '$', '.':
		if c == '.' && !t.flags.unicode {
			return errors.New("may match what is not UTF-8")
		}
		t.begin()
		t.out.WriteRune(c)
	default:
		t.begin()
		t.out.WriteString(regexp.QuoteMeta(string(c)))
	}
	t.rest = t.rest[size:]
	return nil
}

func (t *translator) begin() { t.atom = t.out.Len() }

func (t *translator) group() error {
	if len(t.open) == maxNesting {
		return errors.New("nested too deep")
	}
	before := group{at: t.out.Len(), flags: t.flags}
	t.rest = t.rest[1:]
	start := "("
	if strings.HasPrefix(t.rest, "?") {
		m := groupStart.FindStringSubmatch(t.rest)
		if m == nil || m[4] == ")" && m[2]+m[3] == "" || m[1] != "" && t.names[m[1]] {
			return errors.New("not a group")
		}
		t.rest = t.rest[len(m[0]):]
		if m[1] != "" {
			t.names[m[1]] = true
			if goName.MatchString(m[1]) {
				start = "(?P<" + m[1] + ">" // captures are known by it
			}
		} else {
			start = t.setFlags(m[2], m[3]) + m[4]
			if m[4] == ")" {
				t.atom = -1
				t.out.WriteString(start)
				return nil
			}
		}
	}
	t.out.WriteString(start)
	t.open, t.atom = append(t.open, before), -1
	return nil
}

// setFlags sets flags, and returns the beginning of a group of Go's with those that Go has.
func (t *translator) setFlags(on, off string) string {
	for letter, flag := range map[string]*bool{"i": &t.flags.fold, "x": &t.flags.verbose, "u": &t.flags.unicode} {
		*flag = (*flag || strings.Contains(on, letter)) && !strings.Contains(off, letter)
	}
	drop := strings.NewReplacer("u", "", "x", "", "R", "")
	if on, off = drop.Replace(on), drop.Replace(off); off != "" {
		off = "-" + off
	}
	return "(?" + on + off
}

// repeat repeats the last atom. It puts the atom in a group, because Rust repeats repetitions too.
func (t *translator) repeat(operator string) error {
	if t.atom < 0 {
		return errors.New("nothing to repeat")
	}
	if strings.HasPrefix(t.rest, "?") {
		operator, t.rest = operator+"?", t.rest[1:]
	}
	atom := t.out.cut(t.atom)
	t.out.WriteString("(?:" + atom + ")" + operator)
	return nil
}

func (t *translator) count() error {
	m := counted.FindStringSubmatch(t.rest)
	if m == nil {
		return errors.New("not a repetition")
	}
	least, _ := strconv.Atoi(m[1])
	if most, err := strconv.Atoi(m[3]); err == nil && most < least {
		return errors.New("a repetition ends before it begins")
	}
	t.rest = t.rest[len(m[0]):]
	return t.repeat("{" + m[1] + m[2] + m[3] + "}")
}

// escape translates what follows a backslash outside of a class.
func (t *translator) escape() error {
	if len(t.rest) > 1 {
		as := ""
		switch c := t.rest[1]; c {
		case 'b', 'B', 'A', 'z':
			as = `\` + string(c)
		case '<', '>':
			as = `\b`
		}
		if as != "" {
			t.begin()
			t.out.WriteString(as)
			t.rest = t.rest[2:]
			return nil
		}
	}
	item, err := t.escaped()
	if err == nil {
		t.write(item)
	}
	return err
}

// escaped reads a backslash and the set of characters that it stands for.
func (t *translator) escaped() (set, error) {
	t.rest = t.rest[1:]
	if m := hexadecimal.FindStringSubmatch(t.rest); m != nil {
		t.rest = t.rest[len(m[0]):]
		c, err := strconv.ParseUint(m[1]+m[2]+m[3]+m[4], 16, 32)
		if err != nil || c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
			return nil, errors.New("not a character")
		}
		return set{rune(c), rune(c)}, nil
	}
	if m := property.FindStringSubmatch(t.rest); m != nil {
		_, name, found := strings.Cut(m[2], "=")
		if !found {
			name = m[2]
		}
		all, err := setOf(`[\p{`+name+m[3]+`}]`, false)
		if negated := (t.rest[0] == 'P') != (m[1] != ""); negated {
			all = all.negated()
		}
		t.rest = t.rest[len(m[0]):]
		return all, err
	}
	c, size := utf8.DecodeRuneInString(t.rest)
	letter := string(c)
	if at := strings.IndexRune("nrtafv", c); at >= 0 {
		t.rest = t.rest[1:]
		control := rune("\n\r\t\a\f\v"[at])
		return set{control, control}, nil
	}
	if size > 0 && strings.Contains("dDsSwW", letter) {
		t.rest = t.rest[1:]
		return t.perl(letter)
	}
	if c < 0x80 && size > 0 && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '<' || c == '>') {
		t.rest = t.rest[1:]
		return set{c, c}, nil
	}
	return nil, errors.New("not an escape")
}

func (t *translator) perl(letter string) (set, error) {
	lower := strings.ToLower(letter)
	class := map[string]string{"d": `[\p{Nd}]`, "s": `[\s\v\x{85}\p{Z}]`, "w": `[\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200c}\x{200d}]`}[lower]
	if !t.flags.unicode {
		class = map[string]string{"d": `[0-9]`, "s": `[\s\v]`, "w": `[0-9A-Za-z_]`}[lower]
	}
	all, err := setOf(class, false)
	if lower == letter {
		return all, err
	}
	if !t.flags.unicode {
		return nil, errors.New("may match what is not UTF-8")
	}
	return all.negated(), err
}

// class reads a class in brackets.
func (t *translator) class(depth int) (set, error) {
	if depth > maxNesting {
		return nil, errors.New("nested too deep")
	}
	negated := false
	t.rest = t.rest[1:]
	if strings.HasPrefix(t.rest, "^") {
		negated, t.rest = true, t.rest[1:]
	}
	var all, left set
	operator := ""
	if strings.HasPrefix(t.rest, "]") {
		all, t.rest = set{']', ']'}, t.rest[1:]
	}
	for {
		if t.flags.verbose {
			t.rest = t.rest[len(spaces.FindString(t.rest)):]
		}
		switch two := t.rest[:min(2, len(t.rest))]; {
		case t.rest == "":
			return nil, errors.New("unclosed class")
		case t.rest[0] == ']':
			t.rest = t.rest[1:]
			all = operate(left, operator, all)
			if t.flags.fold {
				all, _ = setOf(all.String(), true)
			}
			if negated {
				if !t.flags.unicode {
					return nil, errors.New("may match what is not UTF-8")
				}
				all = all.negated()
			}
			return all, nil
		case two == "&&" || two == "--" || two == "~~":
			left, operator, all = operate(left, operator, all), two, nil
			t.rest = t.rest[2:]
		default:
			item, err := t.item(depth)
			if err != nil {
				return nil, err
			}
			all = append(all, item...)
		}
	}
}

// item reads a member of a class: a class in it, a set, a character or a range.
func (t *translator) item(depth int) (set, error) {
	if t.rest[0] == '[' {
		if name := posix.FindString(t.rest); name != "" {
			if all, err := setOf("["+name+"]", false); err == nil {
				t.rest = t.rest[len(name):]
				return all, nil
			}
		}
		return t.class(depth + 1)
	}
	from, err := t.character()
	if err != nil || !strings.HasPrefix(t.rest, "-") || strings.HasPrefix(t.rest, "-]") || strings.HasPrefix(t.rest, "--") {
		return from, err
	}
	if t.rest = t.rest[1:]; t.rest == "" {
		return nil, errors.New("unclosed class")
	}
	to, err := t.character()
	if err != nil || len(from) != 2 || from[0] != from[1] || len(to) != 2 || to[0] != to[1] || from[0] > to[0] {
		return nil, errors.Join(errors.New("not a range"), err)
	}
	return set{from[0], to[0]}, nil
}

func (t *translator) character() (set, error) {
	if t.rest[0] == '\\' {
		return t.escaped()
	}
	c, size := utf8.DecodeRuneInString(t.rest)
	t.rest = t.rest[size:]
	return set{c, c}, nil
}

// write writes a set as an atom, with its case folded.
func (t *translator) write(s set) {
	if t.flags.fold {
		s, _ = setOf(s.String(), true)
	}
	t.begin()
	t.out.WriteString("(?-i:" + s.String() + ")")
}

// set is ranges of characters: the first and the last of each.
type set []rune

// setOf reads a class of Go's.
func setOf(class string, fold bool) (set, error) {
	mode := syntax.Perl
	if fold {
		mode |= syntax.FoldCase
	}
	parsed, err := syntax.Parse(class, mode)
	if err != nil {
		return nil, errors.New("not a class")
	}
	switch parsed.Op {
	case syntax.OpCharClass:
		return slices.Clone(set(parsed.Rune)), nil
	case syntax.OpLiteral:
		c := parsed.Rune[0]
		all := set{c, c}
		if parsed.Flags&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				all = append(all, f, f)
			}
		}
		return all, nil
	case syntax.OpAnyChar:
		return set{0, utf8.MaxRune}, nil
	}
	return nil, nil // nothing
}

// String writes the set as a class of Go's.
func (s set) String() string {
	if len(s) == 0 {
		return `[^\x00-\x{10FFFF}]`
	}
	var out strings.Builder
	out.WriteByte('[')
	for i := 0; i < len(s); i += 2 {
		fmt.Fprintf(&out, `\x{%x}-\x{%x}`, s[i], s[i+1])
	}
	out.WriteByte(']')
	return out.String()
}

func (s set) negated() set {
	all, _ := setOf("[^"+s.String()[1:], false)
	if len(s) == 0 {
		return set{0, utf8.MaxRune}
	}
	return all
}

// operate applies the operators of classes: intersection, difference and symmetric difference.
func operate(left set, operator string, right set) set {
	both := func(a, b set) set { return slices.Concat(a.negated(), b.negated()).negated() }
	switch operator {
	case "&&":
		return both(left, right)
	case "--":
		return both(left, right.negated())
	case "~~":
		return slices.Concat(both(left, right.negated()), both(right, left.negated()))
	}
	return right
}
