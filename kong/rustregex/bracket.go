package rustregex

import (
	"slices"
	"strings"
)

// class is the state of reading a class in brackets.
type class struct {
	pairs   []rune
	items   int
	height  int // of the highest item
	inexact bool
	// The set before an operator, and the operator.
	left       set
	operator   string
	leftHeight int // the height of the left side
}

// add joins an item to the class.
func (c *class) add(s set, height int, inexact bool) {
	c.pairs = append(c.pairs, s...)
	c.items++
	c.height = max(c.height, height)
	c.inexact = c.inexact || inexact
}

// nesting returns the height of the items. Several items are joined at one more level.
func (c *class) nesting() int {
	if c.items > 1 {
		return c.height + 1
	}
	return c.height
}

// bracket reads a class in brackets that stands for itself.
func (p *parser) bracket() (*node, error) {
	s, height, inexact, err := p.brackets(1)
	if err != nil {
		return nil, err
	}
	if height > maxNesting {
		return nil, p.fail(tooDeep)
	}
	return &node{op: opClass, set: s, height: height, inexact: inexact}, nil
}

// brackets reads a class from its opening bracket. It returns the set, its height, and whether the set is incomplete.
func (p *parser) brackets(depth int) (set, int, bool, error) {
	open := p.fail("a class is not closed")
	if depth > maxNesting {
		return nil, 0, false, p.fail(tooDeep)
	}
	var c class
	negated, more := p.classStart(&c)
	for more {
		if p.space(); p.eof() {
			break
		}
		var err error
		switch next := p.rune(); {
		case next == '[':
			err = p.nestedClass(&c, depth)
		case next == ']':
			p.bump()
			s, height, err := p.closeClass(&c, negated)
			return s, height + 1, c.inexact, err
		case (next == '&' || next == '-' || next == '~') && p.peek() == next:
			err = p.classOperator(&c, next)
		default:
			err = p.classRange(&c, open)
		}
		if err != nil {
			return nil, 0, false, err
		}
	}
	return nil, 0, false, open
}

// classStart reads the bracket and the special characters right behind it: ^, dashes, and a closing bracket that is a character. More is
// false at the end of the text.
func (p *parser) classStart(c *class) (negated, more bool) {
	if more = p.bumpSpace(); more && p.rune() == '^' {
		negated, more = true, p.bumpSpace()
	}
	for more && p.rune() == '-' {
		c.add(set{'-', '-'}, 0, false)
		more = p.bumpSpace()
	}
	if more && c.items == 0 && p.rune() == ']' {
		c.add(set{']', ']'}, 0, false)
		more = p.bumpSpace()
	}
	return negated, more
}

// nestedClass reads [:name:] or a class within a class.
func (p *parser) nestedClass(c *class, depth int) error {
	if s, is := p.posix(); is == "no" {
		return p.fail(notUTF8)
	} else if is != "" {
		c.add(s, 0, false)
		return nil
	}
	s, height, inexact, err := p.brackets(depth + 1)
	if err == nil {
		c.add(s, height, inexact)
	}
	return err
}

// classOperator reads &&, -- or ~~. The items before it become its left side.
func (p *parser) classOperator(c *class, operator rune) error {
	if err := p.spend(c.pairs); err != nil {
		return err
	}
	left, height := p.operate(c)
	*c = class{left: left, leftHeight: height, operator: string(operator), inexact: c.inexact}
	p.bump()
	p.bump()
	return nil
}

// closeClass returns what a class matches, and its height.
func (p *parser) closeClass(c *class, negated bool) (set, int, error) {
	if err := p.spend(c.pairs); err != nil {
		return nil, 0, err
	}
	s, height := p.operate(c)
	if p.flags.fold {
		s = s.fold(p.flags.unicode)
	}
	if !negated {
		return s, height, nil
	}
	if !p.flags.unicode {
		return nil, 0, p.fail(notUTF8)
	}
	return s.negate(), height, nil
}

// operate joins the items with the left side of the last operator.
func (p *parser) operate(c *class) (set, int) {
	right, height := normal(c.pairs), c.nesting()
	if c.operator == "" {
		return right, height
	}
	left := c.left
	if p.flags.fold {
		left, right = left.fold(p.flags.unicode), right.fold(p.flags.unicode)
	}
	height = max(height, c.leftHeight) + 1
	switch c.operator {
	case "&":
		return intersect(left, right), height
	case "-":
		return subtract(left, right), height
	}
	return union(subtract(left, right), subtract(right, left)), height
}

// posix reads [:name:]. Text that only looks like one is a class of its own, and the parser stays in place. The third result is yes, no
// where it would match bytes that are not UTF-8, or empty.
func (p *parser) posix() (set, string) {
	rest := p.text[p.at:]
	name, ok := strings.CutPrefix(rest, "[:")
	if !ok {
		return nil, ""
	}
	name, negated := strings.CutPrefix(name, "^")
	name, _, ok = strings.Cut(name, ":")
	size := len("[::]") + len(name)
	if negated {
		size++
	}
	if !ok || len(rest) < size || rest[size-1] != ']' || posixSets[name] == nil {
		return nil, ""
	}
	p.at += size
	s := posixSets[name]
	if p.flags.fold {
		s = s.fold(p.flags.unicode)
	}
	if negated {
		if !p.flags.unicode {
			return nil, "no"
		}
		s = s.negate()
	}
	return s, "yes"
}

func (p *parser) classRange(c *class, open error) error {
	from, err := p.classItem()
	if err != nil {
		return err
	}
	p.space()
	if p.eof() {
		return open
	}
	if next := p.peekSpace(); p.rune() != '-' || next == ']' || next == '-' {
		if from.assert != "" {
			return p.fail("a position cannot stand in a class")
		}
		if !from.class {
			if err := p.isASCII(from); err != nil {
				return err
			}
			from.set = set{from.literal, from.literal}
		}
		if shared(c.pairs, from.set) {
			from.set = nil
		}
		c.add(from.set, 0, from.inexact)
		return nil
	}
	if !p.bumpSpace() {
		return open
	}
	to, err := p.classItem()
	if err != nil {
		return err
	}
	if from.class || to.class || from.assert != "" || to.assert != "" {
		return p.fail("a range must be of two characters")
	}
	if from.literal > to.literal {
		return p.fail("a range ends before it begins")
	}
	for _, end := range []escaped{from, to} {
		if err := p.isASCII(end); err != nil {
			return err
		}
	}
	c.add(set{from.literal, to.literal}, 0, false)
	return nil
}

// shared reports whether a large set was the last one added, so that repeating one costs nothing.
func shared(pairs []rune, s set) bool {
	return len(s) > 16 && len(pairs) >= len(s) && slices.Equal(pairs[len(pairs)-len(s):], s)
}

// isASCII refuses characters that a class of bytes cannot hold.
func (p *parser) isASCII(e escaped) error {
	switch {
	case p.flags.unicode || e.literal <= 0x7f:
		return nil
	case e.aByte:
		return p.fail(notUTF8)
	}
	return p.fail("a class holds a character beyond ASCII, for which it needs the flag u")
}

func (p *parser) classItem() (escaped, error) {
	if p.rune() == '\\' {
		return p.escape()
	}
	e := escaped{literal: p.rune()}
	p.bump()
	return e, nil
}
