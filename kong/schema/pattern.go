package schema

import (
	"errors"
	"strings"
)

// pattern is a Lua pattern. It matches bytes, as LuaJIT does in the C locale.
type pattern struct {
	text     string
	anchored bool
	plain    bool // it has no magic characters except the anchor
}

// Bounds against patterns and subjects that are made to take forever. Patterns come from gateways, subjects from anybody.
const (
	maxPattern   = 512
	maxCaptures  = 32
	patternDepth = 2000
	// The steps that a match may take: for any subject, and for each of its bytes.
	leastSteps   = 16 << 10
	stepsPerByte = 256
)

var errPattern = errors.New("malformed pattern")

// parsePattern checks the syntax of a pattern, so that matching cannot fail later.
func parsePattern(text string) (*pattern, error) {
	if len(text) > maxPattern {
		return nil, errPattern
	}
	p := &pattern{text: text, anchored: strings.HasPrefix(text, "^")}
	p.plain = !strings.ContainsAny(text[p.start():], "$()%.[]*+-?")
	open, captures := 0, 0
	for i := p.start(); i < len(text); {
		switch text[i] {
		case '(':
			if captures++; captures > maxCaptures {
				return nil, errPattern
			}
			if i++; i < len(text) && text[i] == ')' {
				i++
			} else {
				open++
			}
		case ')':
			if open--; open < 0 {
				return nil, errPattern
			}
			i++
		default:
			if i = p.itemEnd(i, captures); i < 0 {
				return nil, errPattern
			}
		}
	}
	if open != 0 {
		return nil, errPattern
	}
	return p, nil
}

// itemEnd returns where the item at i ends, its repetition included, or -1 when it is malformed. Captures is the number of captures before
// it.
func (p *pattern) itemEnd(i, captures int) int {
	switch c := p.escape(i); {
	case c == 'b':
		if i+3 >= len(p.text) {
			return -1
		}
		return i + 4
	case c == 'f':
		if i+2 >= len(p.text) || p.text[i+2] != '[' {
			return -1
		}
		return p.classEnd(i + 2)
	case c != 0:
		if c == '0' || int(c-'0') > captures {
			return -1
		}
		return i + 2
	}
	end := p.classEnd(i)
	if end >= 0 && end < len(p.text) && strings.IndexByte("*+-?", p.text[end]) >= 0 {
		end++
	}
	return end
}

// escape returns the letter of %b, of %f or of a back-reference that begins at i, or 0.
func (p *pattern) escape(i int) byte {
	if p.text[i] == '%' && i+1 < len(p.text) {
		if c := p.text[i+1]; c == 'b' || c == 'f' || isDigit(c) {
			return c
		}
	}
	return 0
}

func (p *pattern) start() int {
	if p.anchored {
		return 1
	}
	return 0
}

// classEnd returns where the single character class that begins at i ends, or -1.
func (p *pattern) classEnd(i int) int {
	switch p.text[i] {
	case '%':
		if i+1 >= len(p.text) {
			return -1
		}
		return i + 2
	case '[':
		j := i + 1
		if j < len(p.text) && p.text[j] == '^' {
			j++
		}
		for first := true; ; first = false {
			if j >= len(p.text) {
				return -1
			}
			c := p.text[j]
			j++
			if c == '%' {
				if j >= len(p.text) {
					return -1
				}
				j++
			} else if c == ']' && !first {
				return j
			}
		}
	}
	return i + 1
}

// find reports whether the pattern matches somewhere in s. When the bounds do not allow an answer, it returns doubt. Every step also counts
// against the allowance.
func (p *pattern) find(allowance *allowance, s string, unknown bool) bool {
	if !allowance.spend(1 + len(s)/32) {
		return unknown
	}
	if p.plain && p.anchored {
		return strings.HasPrefix(s, p.text[1:])
	}
	if p.plain {
		return strings.Contains(s, p.text)
	}
	m := matcher{p: p, s: s, allowance: allowance, steps: leastSteps + stepsPerByte*len(s)}
	for at := 0; at <= len(s); at++ {
		m.level = 0
		if m.match(at, p.start(), 0) >= 0 {
			return true
		}
		if m.steps <= 0 {
			return unknown
		}
		if p.anchored {
			break
		}
	}
	return false
}

type capture struct{ at, size int }

const (
	captureOpen     = -1
	capturePosition = -2
)

type matcher struct {
	p         *pattern
	s         string
	allowance *allowance
	steps     int
	level     int
	captures  []capture // the first level of them are open or closed
}

// step takes steps, and reports whether there are any left.
func (m *matcher) step(n int) bool {
	if m.steps -= n; m.steps > 0 && !m.allowance.spend(n) {
		m.steps = 0
	}
	return m.steps > 0
}

// weightOf returns the cost of comparing one byte with the class from pi to end.
func weightOf(pi, end int) int { return 1 + (end-pi)/4 }

// match returns where a match ends that begins at si, for the pattern from pi, or -1.
func (m *matcher) match(si, pi, depth int) int {
	text := m.p.text
	if depth > patternDepth {
		m.steps = 0
	}
	for m.step(1) {
		if pi == len(text) {
			return si
		}
		switch {
		case text[pi] == '(':
			return m.open(si, pi, depth)
		case text[pi] == ')':
			return m.shut(si, pi, depth)
		case text[pi] == '$' && pi+1 == len(text):
			return m.end(si)
		case m.p.escape(pi) != 0:
			if si, pi = m.escaped(si, pi); si < 0 {
				return -1
			}
			continue
		}
		end := m.p.classEnd(pi)
		if !m.step(weightOf(pi, end)) {
			return -1
		}
		var suffix byte
		if end < len(text) {
			suffix = text[end]
		}
		here := si < len(m.s) && m.single(m.s[si], pi, end)
		switch {
		case suffix == '*':
			return m.greedy(si, pi, 0, depth)
		case suffix == '+':
			return m.greedy(si, pi, 1, depth)
		case suffix == '-':
			return m.lazy(si, pi, depth)
		case suffix == '?':
			if r := m.optional(si, end, depth, here); r >= 0 {
				return r
			}
			pi = end + 1
		case here:
			si, pi = si+1, end
		default:
			return -1
		}
	}
	return -1
}

func (m *matcher) end(si int) int {
	if si == len(m.s) {
		return si
	}
	return -1
}

// escaped matches an item that begins with a percent sign and is not a class. It returns where the match ends, or -1, and where the pattern
// continues.
func (m *matcher) escaped(si, pi int) (int, int) {
	switch c := m.p.escape(pi); c {
	case 'b':
		return m.balanced(si, m.p.text[pi+2], m.p.text[pi+3]), pi + 4
	case 'f':
		end := m.p.classEnd(pi + 2)
		return m.frontier(si, pi, end), end
	default:
		return m.again(si, int(c-'1')), pi + 2
	}
}

// frontier matches between a byte outside of the set and a byte in it; the ends of the subject count as NUL.
func (m *matcher) frontier(si, pi, end int) int {
	if !m.step(2 * weightOf(pi, end)) {
		return -1
	}
	var before, after byte
	if si > 0 {
		before = m.s[si-1]
	}
	if si < len(m.s) {
		after = m.s[si]
	}
	if m.inSet(before, pi+2, end-1) || !m.inSet(after, pi+2, end-1) {
		return -1
	}
	return si
}

func (m *matcher) optional(si, end, depth int, here bool) int {
	if !here {
		return -1
	}
	return m.match(si+1, end+1, depth+1)
}

// greedy matches as many bytes of the class at pi as possible, and at least least.
func (m *matcher) greedy(si, pi, least, depth int) int {
	end := m.p.classEnd(pi)
	weight, n := weightOf(pi, end), 0
	for si+n < len(m.s) && m.single(m.s[si+n], pi, end) {
		n++
		if !m.step(weight) {
			return -1
		}
	}
	for ; n >= least; n-- {
		if r := m.match(si+n, end+1, depth+1); r >= 0 {
			return r
		}
		if m.steps <= 0 {
			return -1
		}
	}
	return -1
}

// lazy matches as few bytes of the class at pi as possible.
func (m *matcher) lazy(si, pi, depth int) int {
	end := m.p.classEnd(pi)
	for {
		if r := m.match(si, end+1, depth+1); r >= 0 {
			return r
		}
		if !m.step(weightOf(pi, end)) || si >= len(m.s) || !m.single(m.s[si], pi, end) {
			return -1
		}
		si++
	}
}

func (m *matcher) open(si, pi, depth int) int {
	size, next := captureOpen, pi+1
	if next < len(m.p.text) && m.p.text[next] == ')' {
		size, next = capturePosition, next+1
	}
	m.captures = append(m.captures[:m.level], capture{at: si, size: size})
	m.level++
	r := m.match(si, next, depth+1)
	if r < 0 {
		m.level--
	}
	return r
}

func (m *matcher) shut(si, pi, depth int) int {
	for l := m.level - 1; l >= 0; l-- {
		if m.captures[l].size != captureOpen {
			continue
		}
		m.captures[l].size = si - m.captures[l].at
		r := m.match(si, pi+1, depth+1)
		if r < 0 {
			m.captures[l].size = captureOpen
		}
		return r
	}
	return -1
}

func (m *matcher) again(si, index int) int {
	if index >= m.level || m.captures[index].size < 0 {
		return -1
	}
	word := m.s[m.captures[index].at:][:m.captures[index].size]
	if !m.step(1+len(word)/32) || len(m.s)-si < len(word) || m.s[si:si+len(word)] != word {
		return -1
	}
	return si + len(word)
}

func (m *matcher) balanced(si int, open, shut byte) int {
	if si >= len(m.s) || m.s[si] != open {
		return -1
	}
	depth := 1
	for i := si + 1; i < len(m.s); i++ {
		if !m.step(1) {
			return -1
		}
		switch m.s[i] {
		case shut:
			if depth--; depth == 0 {
				return i + 1
			}
		case open:
			depth++
		}
	}
	return -1
}

func (m *matcher) single(c byte, pi, end int) bool {
	switch m.p.text[pi] {
	case '.':
		return true
	case '%':
		return inClass(c, m.p.text[pi+1])
	case '[':
		return m.inSet(c, pi, end-1)
	}
	return m.p.text[pi] == c
}

// inSet reports whether c is in the set that begins at pi with a bracket and whose
// closing bracket is at last.
func (m *matcher) inSet(c byte, pi, last int) bool {
	text, within := m.p.text, true
	i := pi + 1
	if text[i] == '^' {
		within = false
		i++
	}
	for ; i < last; i++ {
		switch {
		case text[i] == '%':
			i++
			if inClass(c, text[i]) {
				return within
			}
		case i+2 < last && text[i+1] == '-':
			if text[i] <= c && c <= text[i+2] {
				return within
			}
			i += 2
		case text[i] == c:
			return within
		}
	}
	return !within
}

func inClass(c, class byte) bool {
	var in bool
	switch class | 0x20 {
	case 'a':
		in = isLetter(c)
	case 'd':
		in = isDigit(c)
	case 'l':
		in = c >= 'a' && c <= 'z'
	case 'u':
		in = c >= 'A' && c <= 'Z'
	case 's':
		in = c == ' ' || c >= '\t' && c <= '\r'
	case 'c':
		in = c < ' ' || c == 0x7f
	case 'p':
		in = c > ' ' && c < 0x7f && !isLetter(c) && !isDigit(c)
	case 'w':
		in = isLetter(c) || isDigit(c)
	case 'x':
		in = isHex(c)
	case 'g':
		in = c > ' ' && c < 0x7f
	case 'z':
		in = c == 0
	default:
		return class == c
	}
	if class < 'a' { // an upper-case class is the complement
		return !in
	}
	return in
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
