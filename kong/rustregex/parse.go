package rustregex

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the crate.
const (
	maxNesting = 250
	maxCount   = 1<<32 - 1
)

// Error is why an expression is refused, and where.
type Error struct {
	Offset  int // in bytes
	Message string
}

// Error returns one line, without the expression.
func (e *Error) Error() string { return e.Message + " at character " + strconv.Itoa(e.Offset+1) }

// Regexp is an expression that the crate accepts.
type Regexp struct {
	root      *node
	uncertain string
}

// Uncertain returns why it is uncertain that the crate accepts the expression, or an empty string.
func (r *Regexp) Uncertain() string { return r.uncertain }

// Work is how many ranges of characters Parse handles before it gives up, which takes some milliseconds. An expression of a few kilobytes
// can name millions.
const Work = 1 << 17

// Parse parses an expression. The error is an *Error. It takes time in proportion to the length of the text, which callers bound, and for
// at most Work ranges.
func Parse(text string) (*Regexp, error) {
	work := Work
	return ParseWithin(text, &work)
}

// ParseWithin is Parse with the caller's budget of work, which it reduces. When the budget is spent, the expression is accepted with a
// doubt.
func ParseWithin(text string, work *int) (*Regexp, error) {
	if !utf8.ValidString(text) {
		return nil, &Error{0, "the text is not UTF-8"}
	}
	p := &parser{text: text, flags: flags{unicode: true}, names: map[string]bool{}, work: work}
	root, err := p.parse()
	if errors.Is(err, errWork) {
		return &Regexp{uncertain: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	switch size := sizeOf(root, work); {
	case size > maxSize*5/4:
		return nil, &Error{0, "the expression compiles to more than 10 MiB"}
	case size > maxSize*3/4 && p.uncertain == "":
		p.uncertain = "the expression compiles to about as much as a gateway allows (10 MiB)"
	}
	return &Regexp{root: root, uncertain: p.uncertain}, nil
}

type op uint8

const (
	opEmpty  op = iota
	opFlags     // sets flags, matches nothing, cannot be repeated
	opClass     // one rune of a set
	opAssert    // a position
	opRepeat
	opGroup
	opConcat
	opAlternate
)

type node struct {
	op       op
	height   int
	set      set
	inexact  bool   // the set is incomplete
	assert   string // ^ $ A z b B < > and the halves of boundaries
	flags    flags
	subs     []*node
	min, max int // max is -1 for no bound
	lazy     bool
	capture  bool
}

type flags struct{ fold, lines, dotAll, lazy, unicode, crlf, verbose bool }

// frame is the state of an open group.
type frame struct {
	capture bool
	flags   flags // before it
	concat  []*node
	branch  []*node // alternatives before concat
	at      int
}

type parser struct {
	text      string
	at        int
	flags     flags
	names     map[string]bool
	uncertain string
	work      *int // how many ranges may still be handled
}

var errWork = errors.New("the expression has too many classes to be checked")

// spend counts ranges. Finding their other cases costs more.
func (p *parser) spend(s set) error {
	cost := 1 + len(s)/2
	if p.flags.fold {
		cost += 4 * len(s)
	}
	if *p.work -= cost; *p.work < 0 {
		return errWork
	}
	return nil
}

func (p *parser) fail(message string) error { return &Error{p.at, message} }

func (p *parser) eof() bool { return p.at >= len(p.text) }

func (p *parser) rune() rune {
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return r
}

// bump skips one character and reports whether another follows.
func (p *parser) bump() bool {
	if !p.eof() {
		_, size := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += size
	}
	return !p.eof()
}

// bumpSpace is bump, and skips what the flag x ignores.
func (p *parser) bumpSpace() bool {
	if !p.bump() {
		return false
	}
	p.space()
	return !p.eof()
}

func (p *parser) space() {
	for p.flags.verbose && !p.eof() {
		switch r := p.rune(); {
		case unicode.Is(unicode.White_Space, r):
			p.bump()
		case r == '#':
			_, rest, found := strings.Cut(p.text[p.at:], "\n")
			if p.at = len(p.text) - len(rest); !found {
				p.at = len(p.text)
			}
		default:
			return
		}
	}
}

func (p *parser) accept(prefix string) bool {
	if strings.HasPrefix(p.text[p.at:], prefix) {
		p.at += len(prefix)
		return true
	}
	return false
}

// peek returns the character after this one, or -1.
func (p *parser) peek() rune {
	_, size := utf8.DecodeRuneInString(p.text[p.at:])
	if p.at+size >= len(p.text) {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.at+size:])
	return r
}

// peekSpace is peek after blanks, where the flag x is set. Within a comment it stops at the comment's first character, as the crate does.
func (p *parser) peekSpace() rune {
	if !p.flags.verbose {
		return p.peek()
	}
	_, size := utf8.DecodeRuneInString(p.text[p.at:])
	rest, comment := p.text[p.at+size:], false
	for _, r := range rest {
		switch {
		case unicode.Is(unicode.White_Space, r) && (!comment || r != '\n'):
		case !comment && r == '#':
			comment = true
		case comment && r == '\n':
			comment = false
		default:
			return r
		}
	}
	if rest == "" {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return r
}

func (p *parser) parse() (*node, error) {
	var open []frame
	current := frame{}
	for {
		p.space()
		if p.eof() {
			break
		}
		var (
			n   *node
			err error
		)
		switch c := p.rune(); c {
		case '(':
			n, err = p.openGroup(&open, &current)
		case ')':
			n, err = p.closeGroup(&open, &current)
		case '|':
			current.branch = append(current.branch, concat(current.concat))
			current.concat = nil
			p.bump()
		case '[':
			n, err = p.bracket()
		case '?', '*', '+', '{':
			err = p.repeatLast(c, current.concat)
		default:
			n, err = p.primitive()
		}
		if err != nil {
			return nil, err
		}
		if n != nil {
			current.concat = append(current.concat, n)
		}
	}
	if len(open) > 0 {
		p.at = current.at
		return nil, p.fail("a group is not closed")
	}
	root := p.close(current)
	if root.height > maxNesting {
		return nil, p.fail(tooDeep)
	}
	return root, nil
}

// openGroup reads the beginning of a group and pushes a frame for it. For flags that stand alone it returns a node and opens no group.
func (p *parser) openGroup(open *[]frame, current *frame) (*node, error) {
	at, before := p.at, p.flags
	n, capture, err := p.group()
	if err != nil || n != nil {
		return n, err
	}
	if len(*open) >= maxNesting {
		p.at = at
		return nil, p.fail(tooDeep)
	}
	*open = append(*open, *current)
	*current = frame{capture: capture, flags: before, at: at}
	return nil, nil
}

// closeGroup returns the group that ends, and restores the frame around it.
func (p *parser) closeGroup(open *[]frame, current *frame) (*node, error) {
	last := len(*open) - 1
	if last < 0 {
		return nil, p.fail("a parenthesis closes what was not opened")
	}
	n, err := p.nest(&node{op: opGroup, capture: current.capture, subs: []*node{p.close(*current)}})
	if err != nil {
		return nil, err
	}
	p.flags = current.flags
	*current, *open = (*open)[last], (*open)[:last]
	p.bump()
	return n, nil
}

// repeatLast replaces the last node by its repetition.
func (p *parser) repeatLast(operator rune, nodes []*node) (err error) {
	last := len(nodes) - 1
	if last < 0 || nodes[last].op == opFlags || nodes[last].op == opEmpty {
		return p.fail("a repetition has nothing to repeat")
	}
	nodes[last], err = p.repetition(operator, nodes[last])
	return err
}

const tooDeep = "the expression is nested more than 250 levels deep"

// nest sets the height of a node, which the crate limits.
func (p *parser) nest(n *node) (*node, error) {
	n.height = 1
	for _, sub := range n.subs {
		n.height = max(n.height, sub.height+1)
	}
	if n.height > maxNesting {
		return nil, p.fail(tooDeep)
	}
	return n, nil
}

func concat(nodes []*node) *node {
	switch len(nodes) {
	case 0:
		return &node{op: opEmpty}
	case 1:
		return nodes[0]
	}
	n := &node{op: opConcat, subs: nodes}
	for _, sub := range nodes {
		n.height = max(n.height, sub.height+1)
	}
	n.height = max(n.height, 1)
	return n
}

func (p *parser) close(f frame) *node {
	last := concat(f.concat)
	if len(f.branch) == 0 {
		return last
	}
	n := &node{op: opAlternate, subs: append(f.branch, last), height: 1}
	for _, sub := range n.subs {
		n.height = max(n.height, sub.height+1)
	}
	return n
}

// group reads what follows a parenthesis. It returns a node for flags that stand alone, else whether the group captures.
func (p *parser) group() (*node, bool, error) {
	p.bump()
	p.space()
	for _, look := range []string{"?=", "?!", "?<=", "?<!"} {
		if strings.HasPrefix(p.text[p.at:], look) {
			return nil, false, p.fail("look-around is not supported")
		}
	}
	if p.accept("?P<") || p.accept("?<") {
		return nil, true, p.groupName()
	}
	if !p.accept("?") {
		return nil, true, nil
	}
	if p.eof() {
		return nil, false, p.fail("a group is not closed")
	}
	if p.rune() == ')' {
		return nil, false, p.fail("a repetition has nothing to repeat")
	}
	set, err := p.readFlags()
	if err != nil {
		return nil, false, err
	}
	alone := p.rune() == ')'
	p.bump()
	p.flags = set
	if alone {
		return &node{op: opFlags, flags: set}, false, nil
	}
	return nil, false, nil
}

func (p *parser) groupName() error {
	start := p.at
	for ; ; p.bump() {
		if p.eof() {
			return p.fail("the name of a group is not closed")
		}
		r := p.rune()
		if r == '>' {
			break
		}
		if !inName(r, p.at == start) {
			return p.fail("the name of a group has a character that it cannot have")
		}
	}
	name := p.text[start:p.at]
	if name == "" {
		return p.fail("the name of a group is empty")
	}
	if p.names[name] {
		p.at = start
		return p.fail("two groups have the same name")
	}
	p.names[name] = true
	p.bump()
	return nil
}

func inName(r rune, first bool) bool {
	alphabetic := unicode.IsLetter(r) || unicode.In(r, unicode.Nl, unicode.Other_Alphabetic)
	if first {
		return r == '_' || alphabetic
	}
	return strings.ContainsRune("_.[]", r) || alphabetic || unicode.IsNumber(r)
}

// readFlags reads flags up to the colon or parenthesis after them.
func (p *parser) readFlags() (flags, error) {
	out, on, dangling := p.flags, true, false
	seen := map[rune]bool{}
	for p.rune() != ':' && p.rune() != ')' {
		c := p.rune()
		if seen[c] {
			return out, p.fail("a flag is given twice")
		}
		seen[c], dangling = true, c == '-'
		switch c {
		case '-':
			on = false
		case 'i':
			out.fold = on
		case 'm':
			out.lines = on
		case 's':
			out.dotAll = on
		case 'U':
			out.lazy = on
		case 'u':
			out.unicode = on
		case 'R':
			out.crlf = on
		case 'x':
			out.verbose = on
		default:
			return out, p.fail("a group begins with something that is neither a flag nor a name; atomic groups, conditions, comments and " +
				"recursion are not supported")
		}
		if !p.bump() {
			return out, p.fail("flags are not closed")
		}
	}
	if dangling {
		return out, p.fail("a dash among flags turns nothing off")
	}
	return out, nil
}

func (p *parser) repetition(operator rune, sub *node) (*node, error) {
	n := &node{op: opRepeat, subs: []*node{sub}, lazy: p.flags.lazy}
	switch operator {
	case '?':
		n.max = 1
	case '*':
		n.max = -1
	case '+':
		n.min, n.max = 1, -1
	default:
		if err := p.count(n); err != nil {
			return nil, err
		}
		if p.bumpSpace() && p.rune() == '?' {
			n.lazy = !n.lazy
			p.bump()
		}
		return p.nest(n)
	}
	if p.bump() && p.rune() == '?' {
		n.lazy = !n.lazy
		p.bump()
	}
	return p.nest(n)
}

// count reads a counted repetition up to its closing brace.
func (p *parser) count(n *node) error {
	open := p.fail("the braces of a repetition are not closed")
	if !p.bumpSpace() {
		return open
	}
	var err error
	if n.min, err = p.decimal(); err != nil {
		return err
	}
	n.max = n.min
	if p.eof() {
		return open
	}
	if p.rune() == ',' {
		if !p.bumpSpace() {
			return open
		}
		n.max = -1
		if p.rune() != '}' {
			if n.max, err = p.decimal(); err != nil {
				return err
			}
		}
	}
	if p.eof() || p.rune() != '}' {
		return open
	}
	if n.max >= 0 && n.min > n.max {
		return p.fail("a repetition's minimum is above its maximum")
	}
	return nil
}

func (p *parser) decimal() (int, error) {
	blank := func() bool { return !p.eof() && unicode.Is(unicode.White_Space, p.rune()) }
	for blank() {
		p.bump()
	}
	var digits strings.Builder
	for !p.eof() && p.rune() >= '0' && p.rune() <= '9' {
		digits.WriteRune(p.rune())
		p.bumpSpace()
	}
	for blank() {
		p.bumpSpace()
	}
	if digits.Len() == 0 {
		return 0, p.fail("braces must hold how often to repeat; write \\{ for the character")
	}
	n, err := strconv.ParseUint(digits.String(), 10, 32)
	if err != nil || n > maxCount {
		return 0, p.fail("a repetition's count is too large")
	}
	return int(n), nil
}

// primitive reads an item that matches one character or a position, outside of brackets.
func (p *parser) primitive() (*node, error) {
	switch c := p.rune(); c {
	case '\\':
		e, err := p.escape()
		if err != nil {
			return nil, err
		}
		if e.assert != "" {
			return &node{op: opAssert, assert: e.assert, flags: p.flags}, nil
		}
		if e.class {
			return &node{op: opClass, set: e.set, inexact: e.inexact}, nil
		}
		if e.aByte && !p.flags.unicode && e.literal > 0x7f {
			return nil, p.fail(notUTF8)
		}
		return p.literal(e.literal), nil
	case '.':
		if !p.flags.unicode {
			return nil, p.fail(notUTF8)
		}
		p.bump()
		s := set{0, unicode.MaxRune}
		if !p.flags.dotAll {
			s = set{0, '\n' - 1, '\n' + 1, unicode.MaxRune}
			if p.flags.crlf {
				s = intersect(s, set{'\r', '\r'}.negate())
			}
		}
		return &node{op: opClass, set: s}, nil
	case '^', '$':
		p.bump()
		return &node{op: opAssert, assert: string(c), flags: p.flags}, nil
	default:
		p.bump()
		return p.literal(c), nil
	}
}

const notUTF8 = "without the flag u this would match what is not UTF-8"

func (p *parser) literal(r rune) *node {
	s := set{r, r}
	if p.flags.fold {
		s = s.fold(p.flags.unicode)
	}
	return &node{op: opClass, set: s}
}

// escaped is the meaning of an escape: a position, a class or a character.
type escaped struct {
	assert  string
	class   bool
	inexact bool
	set     set
	literal rune
	aByte   bool // written as \xNN, which is a byte where the flag u is off
}

func (p *parser) escape() (escaped, error) {
	start := p.at
	if !p.bump() {
		return escaped{}, p.fail("the expression ends in a backslash")
	}
	c := p.rune()
	switch c {
	case 'x', 'u', 'U':
		return p.hexadecimal(c)
	case 'p', 'P':
		return p.property(c == 'P')
	case 'd', 's', 'w', 'D', 'S', 'W':
		p.bump()
		s := perlSets()[byte(c)|0x20]
		switch {
		case p.flags.unicode && c >= 'a':
			return escaped{class: true, set: s[0]}, nil
		case p.flags.unicode:
			return escaped{class: true, set: s[2]}, nil
		case c >= 'a':
			return escaped{class: true, set: s[1]}, nil
		}
		return escaped{}, p.fail(notUTF8)
	}
	if c >= '0' && c <= '9' {
		return escaped{}, p.fail("backreferences are not supported")
	}
	p.bump()
	if special, is := map[rune]rune{'a': '\a', 'f': '\f', 't': '\t', 'n': '\n', 'r': '\r', 'v': '\v'}[c]; is {
		return escaped{literal: special}, nil
	}
	switch c {
	case 'A', 'z', 'B', '<', '>':
		return escaped{assert: string(c)}, nil
	case 'b':
		word, err := p.boundary()
		return escaped{assert: word}, err
	}
	if c >= utf8.RuneSelf || c|0x20 >= 'a' && c|0x20 <= 'z' {
		p.at = start
		return escaped{}, p.fail("an escape sequence is not recognized")
	}
	return escaped{literal: c}, nil
}

// boundary reads the rest of \b, which may also be followed by a counted repetition.
func (p *parser) boundary() (string, error) {
	valid := func() bool {
		c := p.rune()
		return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-'
	}
	start := p.at
	if p.eof() || p.rune() != '{' {
		return "b", nil
	}
	if !p.bumpSpace() {
		return "", p.fail("the braces after \\b are not closed")
	}
	if !valid() {
		p.at = start
		return "b", nil
	}
	var word strings.Builder
	for !p.eof() && valid() {
		word.WriteRune(p.rune())
		p.bumpSpace()
	}
	if p.eof() || p.rune() != '}' {
		return "", p.fail("the braces after \\b are not closed")
	}
	p.bump()
	switch word.String() {
	case "start":
		return "<", nil
	case "end":
		return ">", nil
	case "start-half", "end-half":
		return word.String(), nil
	}
	return "", p.fail("\\b knows start, end, start-half and end-half in braces")
}

func isHex(r rune) bool { return r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'f' }

func (p *parser) hexadecimal(kind rune) (escaped, error) {
	ends := p.fail("an escape of a character is not complete")
	if !p.bumpSpace() {
		return escaped{}, ends
	}
	var digits strings.Builder
	braces := p.rune() == '{'
	if braces {
		for p.bumpSpace() && p.rune() != '}' {
			if !isHex(p.rune()) {
				return escaped{}, p.fail("a digit is not hexadecimal")
			}
			digits.WriteRune(p.rune())
		}
		if p.eof() {
			return escaped{}, ends
		}
		p.bumpSpace()
	} else {
		for i := range map[rune]int{'x': 2, 'u': 4, 'U': 8}[kind] {
			if i > 0 && !p.bumpSpace() {
				return escaped{}, ends
			}
			if !isHex(p.rune()) {
				return escaped{}, p.fail("a digit is not hexadecimal")
			}
			digits.WriteRune(p.rune())
		}
		p.bumpSpace()
	}
	if digits.Len() == 0 {
		return escaped{}, p.fail("an escape of a character has no digits")
	}
	code, err := strconv.ParseUint(digits.String(), 16, 32)
	if err != nil || code > unicode.MaxRune || !utf8.ValidRune(rune(code)) {
		return escaped{}, p.fail("an escape is of no character that Unicode has")
	}
	return escaped{literal: rune(code), aByte: kind == 'x' && !braces}, nil
}

func (p *parser) property(negated bool) (escaped, error) {
	if !p.bumpSpace() {
		return escaped{}, p.fail("a class of Unicode is not complete")
	}
	var word strings.Builder
	if p.rune() == '{' {
		for p.bumpSpace() && p.rune() != '}' {
			word.WriteRune(p.rune())
		}
		if p.eof() {
			return escaped{}, p.fail("a class of Unicode is not complete")
		}
		p.bump()
	} else {
		if p.rune() == '\\' {
			return escaped{}, p.fail("a class of Unicode is not complete")
		}
		word.WriteRune(p.rune())
		p.bumpSpace()
	}
	if !p.flags.unicode {
		return escaped{}, p.fail("classes of Unicode need the flag u")
	}
	found, err := lookup(word.String())
	switch {
	case errors.Is(err, errUncertain):
		p.uncertain = "it is not certain that a gateway's Unicode has this class"
	case err != nil:
		return escaped{}, p.fail(err.Error())
	}
	s := found.set
	if p.flags.fold || negated {
		if err := p.spend(s); err != nil {
			return escaped{}, err
		}
	}
	if p.flags.fold {
		s = s.fold(true)
	}
	if negated {
		s = s.negate()
	}
	return escaped{class: true, set: s, inexact: found.inexact}, nil
}
