package rustregex

import (
	"fmt"
	"regexp"
	"strings"
)

// nothing is a Go expression that matches nothing.
const nothing = `[^\x00-\x{10FFFF}]`

// mostCount is the largest count in Go's braces.
const mostCount = 1000

// Go converts the expression to the syntax of Go's package regexp, which may still refuse it: its limits are tighter. Classes match what
// Rust's do, but classes for which Go has no tables are empty. \b, \B, \< and \> consider ASCII only. Halves of word boundaries and the
// effect of flag R on lines are left out. Groups lose their names and keep their order.
func (r *Regexp) Go() string {
	if r.root == nil {
		return nothing
	}
	var w strings.Builder
	r.root.write(&w)
	return w.String()
}

func (n *node) write(w *strings.Builder) {
	switch n.op {
	case opClass:
		n.set.write(w)
	case opAssert:
		w.WriteString(position(n))
	case opGroup:
		if !n.capture {
			w.WriteString("(?:")
		} else {
			w.WriteByte('(')
		}
		n.subs[0].write(w)
		w.WriteByte(')')
	case opConcat:
		for _, sub := range n.subs {
			sub.write(w)
		}
	case opAlternate:
		for i, sub := range n.subs {
			if i > 0 {
				w.WriteByte('|')
			}
			sub.write(w)
		}
	case opRepeat:
		n.repeat(w)
	}
}

func position(n *node) string {
	switch n.assert {
	case "^":
		if n.flags.lines {
			return "(?m:^)"
		}
		return `\A`
	case "$":
		if n.flags.lines {
			return "(?m:$)"
		}
		return `\z`
	case "<", ">":
		return `\b`
	case "A", "z", "b", "B":
		return `\` + n.assert
	}
	return ""
}

func (n *node) repeat(w *strings.Builder) {
	var sub strings.Builder
	n.subs[0].write(&sub)
	lazy := ""
	if n.lazy {
		lazy = "?"
	}
	times := func(counts string) { w.WriteString("(?:" + sub.String() + ")" + counts + lazy) }
	w.WriteString("(?:")
	defer w.WriteByte(')')
	left := n.min
	if left > 100*mostCount || n.max > 100*mostCount {
		w.WriteString(nothing) // Go would refuse the whole expression
		return
	}
	for ; left > mostCount; left -= mostCount {
		times(fmt.Sprintf("{%d}", mostCount))
	}
	switch {
	case n.max < 0:
		times(fmt.Sprintf("{%d,}", left))
		return
	case n.max == n.min:
		times(fmt.Sprintf("{%d}", left))
		return
	}
	most := n.max - n.min + left
	for ; most > mostCount; most -= mostCount {
		least := min(left, mostCount)
		times(fmt.Sprintf("{%d,%d}", least, mostCount))
		left -= least
	}
	times(fmt.Sprintf("{%d,%d}", left, most))
}

func (s set) write(w *strings.Builder) {
	switch {
	case len(s) == 0:
		w.WriteString(nothing)
		return
	case len(s) == 2 && s[0] == s[1]:
		w.WriteString(regexp.QuoteMeta(string(s[0])))
		return
	}
	w.WriteByte('[')
	for i := 0; i < len(s); i += 2 {
		fmt.Fprintf(w, `\x{%x}-\x{%x}`, s[i], s[i+1])
	}
	w.WriteByte(']')
}
