package snapshot

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds nesting, and so the stack; Kong's own parser stops at 1000 too.
const maxDepth = 1000

const tooDeep = "nesting is too deep"

// parser turns JSON into canonical JSON in one pass: it writes as it reads, and
// sorts the members of an object in place when they were not sorted.
type parser struct {
	in    []byte
	at    int
	depth int
}

func (p *parser) fail(reason string) error { return &JSONError{Offset: p.at, Reason: reason} }

func (p *parser) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte after white space; 0 at the end.
func (p *parser) peek() byte {
	p.space()
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *parser) document(dst []byte) ([]byte, error) {
	dst, err := p.value(dst)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(p.in) {
		return nil, p.fail("something follows the value")
	}
	return dst, nil
}

func (p *parser) value(dst []byte) ([]byte, error) {
	switch c := p.peek(); {
	case c == '{':
		return p.object(dst)
	case c == '[':
		return p.array(dst)
	case c == '"':
		return p.text(dst)
	case c == '-' || '0' <= c && c <= '9':
		return p.number(dst)
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(p.in[p.at:], []byte(word)) {
			p.at += len(word)
			return append(dst, word...), nil
		}
	}
	return nil, p.fail("no value")
}

func (p *parser) enter() error {
	p.at++
	if p.depth++; p.depth > maxDepth {
		return p.fail(tooDeep)
	}
	return nil
}

func (p *parser) array(dst []byte) ([]byte, error) {
	err := p.enter()
	if err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	if p.peek() != ']' {
		for {
			if dst, err = p.value(dst); err != nil {
				return nil, err
			}
			c := p.peek()
			if c == ']' {
				break
			}
			if c != ',' {
				return nil, p.fail("no comma or bracket after an item")
			}
			dst = append(dst, ',')
			p.at++
		}
	}
	p.at++
	p.depth--
	return append(dst, ']'), nil
}

// member is where the member of an object stands in the output. Its key is
// compared as it was meant, not as it is escaped.
type member struct {
	key        []byte
	start, end int
}

func (p *parser) object(dst []byte) ([]byte, error) {
	err := p.enter()
	if err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	first := len(dst)
	var buf [16]member
	members, sorted := buf[:0], true
	if p.peek() != '}' {
		for {
			if p.peek() != '"' {
				return nil, p.fail("no key")
			}
			m := member{start: len(dst)}
			if dst, err = p.text(dst); err != nil {
				return nil, err
			}
			m.key = unescape(dst[m.start+1 : len(dst)-1])
			if p.peek() != ':' {
				return nil, p.fail("no colon after a key")
			}
			p.at++
			dst = append(dst, ':')
			if dst, err = p.value(dst); err != nil {
				return nil, err
			}
			m.end = len(dst)
			sorted = sorted && (len(members) == 0 || bytes.Compare(members[len(members)-1].key, m.key) < 0)
			members = append(members, m)
			c := p.peek()
			if c == '}' {
				break
			}
			if c != ',' {
				return nil, p.fail("no comma or brace after a member")
			}
			dst = append(dst, ',')
			p.at++
		}
	}
	if !sorted {
		slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.key, b.key) })
		for i := 1; i < len(members); i++ {
			if bytes.Equal(members[i-1].key, members[i].key) {
				return nil, p.fail("a key comes twice in the object that ends")
			}
		}
		old := bytes.Clone(dst[first:])
		dst = dst[:first]
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, old[m.start-first:m.end-first]...)
		}
	}
	p.at++
	p.depth--
	return append(dst, '}'), nil
}

// unescape returns the text of a canonical string: itself when nothing in it is
// escaped.
func unescape(canonical []byte) []byte {
	if bytes.IndexByte(canonical, '\\') < 0 {
		return canonical
	}
	out := make([]byte, 0, len(canonical))
	for i := 0; i < len(canonical); i++ {
		c := canonical[i]
		if c == '\\' {
			i++
			if c = canonical[i]; c == 'u' {
				n, _ := strconv.ParseUint(string(canonical[i+1:i+5]), 16, 8)
				c = byte(n)
				i += 4
			} else if short := bytes.IndexByte([]byte("bfnrt"), c); short >= 0 {
				c = "\b\f\n\r\t"[short]
			}
		}
		out = append(out, c)
	}
	return out
}

// text reads a string, at its opening quote.
func (p *parser) text(dst []byte) ([]byte, error) {
	dst = append(dst, '"')
	p.at++
	for p.at < len(p.in) {
		switch c := p.in[p.at]; {
		case c == '"':
			p.at++
			return append(dst, '"'), nil
		case c < ' ':
			return nil, p.fail("a control character in a string")
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return nil, err
			}
			if r < utf8.RuneSelf {
				dst = appendByte(dst, byte(r))
			} else {
				dst = utf8.AppendRune(dst, r)
			}
		case c < utf8.RuneSelf:
			start := p.at
			for p.at < len(p.in) && p.in[p.at] < utf8.RuneSelf && !escaped(rune(p.in[p.at])) {
				p.at++
			}
			dst = append(dst, p.in[start:p.at]...)
		default:
			r, size := utf8.DecodeRune(p.in[p.at:])
			if r == utf8.RuneError && size == 1 {
				return nil, p.fail("invalid UTF-8")
			}
			dst = append(dst, p.in[p.at:p.at+size]...)
			p.at += size
		}
	}
	return nil, p.fail("a string without end")
}

// escape reads an escape sequence, at its backslash.
func (p *parser) escape() (rune, error) {
	if p.at+1 >= len(p.in) {
		return 0, p.fail("a string without end")
	}
	c := p.in[p.at+1]
	if c == 'u' {
		return p.unicode()
	}
	at := bytes.IndexByte([]byte(`"\/bfnrt`), c)
	if at < 0 {
		return 0, p.fail("an unknown escape sequence")
	}
	p.at += 2
	return rune("\"\\/\b\f\n\r\t"[at]), nil
}

func (p *parser) unicode() (rune, error) {
	r := p.hex(p.at)
	if r < 0 {
		return 0, p.fail("an unknown escape sequence")
	}
	if !utf16.IsSurrogate(r) {
		p.at += 6
		return r, nil
	}
	if r = utf16.DecodeRune(r, p.hex(p.at+6)); r == utf8.RuneError {
		return 0, p.fail("a lone surrogate")
	}
	p.at += 12
	return r, nil
}

// hex reads \uXXXX; -1 when there is none.
func (p *parser) hex(at int) rune {
	if at+6 > len(p.in) || p.in[at] != '\\' || p.in[at+1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range p.in[at+2 : at+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.in) && '0' <= p.in[p.at] && p.in[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

// next is true, and moves on, when the next byte is one of set.
func (p *parser) next(set string) bool {
	if p.at < len(p.in) && bytes.IndexByte([]byte(set), p.in[p.at]) >= 0 {
		p.at++
		return true
	}
	return false
}

func (p *parser) number(dst []byte) ([]byte, error) {
	const bad = "a malformed number"
	start, whole := p.at, true
	p.next("-")
	zero := p.next("0")
	if n := p.digits(); zero == (n > 0) {
		return nil, p.fail(bad)
	}
	if p.next(".") {
		if whole = false; p.digits() == 0 {
			return nil, p.fail(bad)
		}
	}
	if p.next("eE") {
		whole = false
		p.next("+-")
		if p.digits() == 0 {
			return nil, p.fail(bad)
		}
	}
	literal := p.in[start:p.at]
	if whole {
		if zero {
			return append(dst, '0'), nil
		}
		if len(literal) < 300 {
			return append(dst, literal...), nil
		}
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return nil, p.fail("a number beyond the doubles")
	}
	if whole {
		return append(dst, literal...), nil
	}
	return appendFloat(dst, f)
}
