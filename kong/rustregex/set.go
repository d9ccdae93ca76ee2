package rustregex

import (
	"slices"
	"sync"
	"unicode"
)

// set is the characters that a class matches: pairs of first and last rune, sorted and disjoint. Sets are shared and immutable.
type set []rune

// normal sorts pairs and joins adjacent ones.
func normal(pairs []rune) set {
	type span struct{ lo, hi rune }
	spans := make([]span, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		spans = append(spans, span{pairs[i], pairs[i+1]})
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.lo - b.lo) })
	out := make(set, 0, len(pairs))
	for _, s := range spans {
		if n := len(out); n > 0 && s.lo <= out[n-1]+1 {
			out[n-1] = max(out[n-1], s.hi)
			continue
		}
		out = append(out, s.lo, s.hi)
	}
	return out
}

func union(a, b set) set {
	return normal(slices.Concat(a, b))
}

// negate returns all other runes.
func (s set) negate() set {
	out := make(set, 0, len(s)+2)
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

func intersect(a, b set) set {
	var out set
	for i, j := 0, 0; i < len(a) && j < len(b); {
		lo, hi := max(a[i], b[j]), min(a[i+1], b[j+1])
		if lo <= hi {
			out = append(out, lo, hi)
		}
		if a[i+1] < b[j+1] {
			i += 2
		} else {
			j += 2
		}
	}
	return out
}

func subtract(a, b set) set { return intersect(a, b.negate()) }

func (s set) has(r rune) bool {
	at, found := slices.BinarySearch(s, r)
	return found || at%2 == 1
}

// folding has all runes that have another case.
var folding = sync.OnceValue(func() []rune {
	var out []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.SimpleFold(r) != r {
			out = append(out, r)
		}
	}
	return out
})

// fold adds the other cases of the runes in the set: by Unicode, or of ASCII alone.
func (s set) fold(byUnicode bool) set {
	more := slices.Clone(s)
	if !byUnicode {
		for c := 'a'; c <= 'z'; c++ {
			if up := c - 'a' + 'A'; s.has(c) || s.has(up) {
				more = append(more, c, c, up, up)
			}
		}
		return normal(more)
	}
	all := folding()
	for i := 0; i < len(s); i += 2 {
		at, _ := slices.BinarySearch(all, s[i])
		for ; at < len(all) && all[at] <= s[i+1]; at++ {
			for r := unicode.SimpleFold(all[at]); r != all[at]; r = unicode.SimpleFold(r) {
				more = append(more, r, r)
			}
		}
	}
	return normal(more)
}

func fromTable(tables ...*unicode.RangeTable) set {
	var pairs []rune
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			pairs = append(pairs, lo, hi)
			return
		}
		for r := lo; r <= hi; r += stride {
			pairs = append(pairs, r, r)
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return normal(pairs)
}

// perlSets are \d, \s and \w over all of Unicode and over ASCII, and their complements.
var perlSets = sync.OnceValue(func() map[byte][3]set {
	word := union(fromTable(unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc), set{0x200c, 0x200d})
	digit, space := fromTable(unicode.Nd), fromTable(unicode.White_Space)
	return map[byte][3]set{
		'd': {digit, set{'0', '9'}, digit.negate()},
		's': {space, set{'\t', '\r', ' ', ' '}, space.negate()},
		'w': {word, set{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}, word.negate()},
	}
})

// posixSets are the classes that are written as [:name:] within brackets.
var posixSets = map[string]set{
	"alnum":  {'0', '9', 'A', 'Z', 'a', 'z'},
	"alpha":  {'A', 'Z', 'a', 'z'},
	"ascii":  {0, 0x7f},
	"blank":  {'\t', '\t', ' ', ' '},
	"cntrl":  {0, 0x1f, 0x7f, 0x7f},
	"digit":  {'0', '9'},
	"graph":  {'!', '~'},
	"lower":  {'a', 'z'},
	"print":  {' ', '~'},
	"punct":  {'!', '/', ':', '@', '[', '`', '{', '~'},
	"space":  {'\t', '\r', ' ', ' '},
	"upper":  {'A', 'Z'},
	"word":   {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'},
	"xdigit": {'0', '9', 'A', 'F', 'a', 'f'},
}
