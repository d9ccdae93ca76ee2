package rustregex

import (
	"encoding/binary"
	"unicode/utf8"
)

// The limit of the crate's automaton, and the size of one state and of one transition.
const (
	maxSize    = 10 << 20
	state      = 32
	transition = 8
)

// sizer adds up the compiled size of an expression.
type sizer struct {
	known map[*rune]int64
	work  *int
}

func sizeOf(root *node, work *int) int64 {
	s := sizer{known: map[*rune]int64{}, work: work}
	return s.node(root)
}

func (s *sizer) node(n *node) int64 {
	const most = 1 << 50
	var size int64
	switch n.op {
	case opEmpty, opFlags:
		return 0
	case opAssert:
		return state
	case opClass:
		return s.class(n.set)
	}
	for _, sub := range n.subs {
		size += s.node(sub)
	}
	switch n.op {
	case opRepeat:
		times, optional := int64(n.min), int64(0)
		switch {
		case n.max < 0:
			times, optional = max(times, 1), 1
		case n.max > n.min:
			times, optional = int64(n.max), int64(n.max-n.min)
		}
		if size > 0 && times > most/size {
			return most
		}
		size = size*times + optional*(state+transition) + state
	case opGroup:
		if n.capture {
			size += 2 * state
		}
	case opAlternate:
		size += int64(len(n.subs))*transition + 3*state
	}
	return min(size, most)
}

func (s *sizer) class(pairs set) int64 {
	switch {
	case len(pairs) == 0:
		return state
	case len(pairs) == 2 && pairs[0] == pairs[1]:
		return int64(state * max(1, utf8.RuneLen(pairs[0])))
	}
	if size, is := s.known[&pairs[0]]; is {
		return size
	}
	if *s.work -= 4 * len(pairs); *s.work < 0 { // then about as much
		return int64(len(pairs)/2*(state-transition)) + 2*state
	}
	size := pairs.automaton()
	s.known[&pairs[0]] = size
	return size
}

type span struct{ lo, hi byte }

// automaton returns the size of the smallest automaton over the bytes of UTF-8.
func (s set) automaton() int64 {
	var all [][]span
	for i := 0; i < len(s); i += 2 {
		all = sequences(all, s[i], s[i+1])
	}
	size, seen := int64(state), map[string]uint32{}
	// build returns the number of the state that has the sequences from a column on.
	var build func(list [][]span, column int) uint32
	build = func(list [][]span, column int) uint32 {
		var key []byte
		for at := 0; at < len(list); {
			end := at + 1
			for end < len(list) && list[end][column] == list[at][column] {
				end++
			}
			next := uint32(0)
			if column+1 < len(list[at]) {
				next = build(list[at:end], column+1)
			}
			key = binary.BigEndian.AppendUint32(append(key, list[at][column].lo, list[at][column].hi), next)
			at = end
		}
		if number, is := seen[string(key)]; is {
			return number
		}
		seen[string(key)] = uint32(len(seen) + 1)
		size += state + int64(len(key)/6*transition)
		return uint32(len(seen))
	}
	build(all, 0)
	return size
}

// sequences appends the ranges of bytes that encode the runes from lo to hi in UTF-8.
func sequences(out [][]span, lo, hi rune) [][]span {
	const firstSurrogate, lastSurrogate = 0xd800, 0xdfff
	if lo <= lastSurrogate && hi >= firstSurrogate {
		if lo < firstSurrogate {
			out = sequences(out, lo, firstSurrogate-1)
		}
		if hi > lastSurrogate {
			out = sequences(out, lastSurrogate+1, hi)
		}
		return out
	}
	for _, last := range []rune{0x7f, 0x7ff, 0xffff} {
		if lo <= last && last < hi {
			return sequences(sequences(out, lo, last), last+1, hi)
		}
	}
	if hi > 0x7f {
		for bits := 6; bits <= 18; bits += 6 {
			mask := rune(1)<<bits - 1
			if lo&^mask == hi&^mask {
				continue
			}
			if lo&mask != 0 {
				return sequences(sequences(out, lo, lo|mask), (lo|mask)+1, hi)
			}
			if hi&mask != mask {
				return sequences(sequences(out, lo, hi&^mask-1), hi&^mask, hi)
			}
		}
	}
	first, last := utf8.AppendRune(nil, lo), utf8.AppendRune(nil, hi)
	sequence := make([]span, len(first))
	for i := range first {
		sequence[i] = span{first[i], last[i]}
	}
	return append(out, sequence)
}
