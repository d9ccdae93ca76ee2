package check

import (
	"fmt"
	"slices"
	"time"
)

// History returns every promise that a history breaks. Events are in the order in which they were known.
func History(history []Event) []Problem {
	c := checker{
		content: contentOf(history), nodes: map[string]*node{}, served: map[route]int{}, disturbed: map[string]int{},
		touched: map[string]bool{}, wanted: map[int64][]string{},
	}
	for _, e := range history {
		c.event(e)
	}
	c.end(history)
	return c.problems
}

// content says which number of each writer a revision holds: revisions are a linear history, so it is the last that the writer got
// accepted up to there.
type content struct {
	submissions map[string][]Event // by writer, in the order of revisions
}

func contentOf(history []Event) content {
	c := content{submissions: map[string][]Event{}}
	for _, e := range history {
		if e.Kind == Submitted {
			c.submissions[e.Writer] = append(c.submissions[e.Writer], e)
		}
	}
	for _, all := range c.submissions {
		slices.SortFunc(all, func(a, b Event) int { return int(a.Revision - b.Revision) })
	}
	return c
}

// last returns what a writer got accepted last, up to a revision; the zero Event is nothing.
func (c content) last(revision int64, writer string) (last Event) {
	for _, s := range c.submissions[writer] {
		if s.Revision <= revision {
			last = s
		}
	}
	return last
}

// bad reports whether gateways refuse a revision: one of its sources is bad, and stays so until its writer submits it anew.
func (c content) bad(revision int64) bool {
	for writer := range c.submissions {
		if c.last(revision, writer).Bad {
			return true
		}
	}
	return false
}

type route struct{ node, writer string }

// node is what is known of a node so far.
type node struct {
	view     Event // the last
	floor    int64 // the newest revision that it was proven to serve
	floorAt  time.Duration
	due      map[string]int // by writer, what every request from now on must find, for a command was told so
	dueSince map[string]time.Duration
}

type checker struct {
	content   content
	nodes     map[string]*node
	served    map[route]int
	disturbed map[string]int  // faults of a node that are under way
	touched   map[string]bool // nodes that any fault came to since the last settling
	wanted    map[int64][]string
	settled   time.Duration
	problems  []Problem
}

func (c *checker) broken(promise int, e Event, format string, args ...any) {
	c.problems = append(c.problems, Problem{Promise: promise, At: e.At, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) of(name string) *node {
	n := c.nodes[name]
	if n == nil {
		n = &node{due: map[string]int{}, dueSince: map[string]time.Duration{}}
		c.nodes[name] = n
	}
	return n
}

func (c *checker) event(e Event) {
	switch e.Kind {
	case Disturbed:
		if e.Node == "" {
			break
		}
		c.touched[e.Node] = true
		if c.disturbed[e.Node]++; e.Over {
			c.disturbed[e.Node] -= 2
		}
	case Viewed:
		c.viewed(e)
	case Answered:
		c.answered(e)
	case Waited:
		c.waited(e)
	case Repeated:
		if e.Made {
			c.broken(8, e, "%s submitted number %d again, which stood, and revision %d was made of it", e.Writer, e.Number, e.Revision)
		}
	case Settled:
		c.settled = e.At
		clear(c.touched)
	case Submitted, Listed, Ordered:
	}
}

// viewed holds promises 2 and 4 on what agents follow.
func (c *checker) viewed(e Event) {
	n := c.of(e.Node)
	before := n.view
	if e.Decision == 0 { // it has just started, and followed nothing yet
		return
	}
	n.view = e
	if e.Epoch < before.Epoch || e.Epoch == before.Epoch && e.Decision < before.Decision {
		c.broken(4, e, "%s follows decision %d of epoch %d after decision %d of epoch %d", e.Node, e.Decision, e.Epoch, before.Decision,
			before.Epoch)
	}
	if e.Epoch == before.Epoch && e.Term > 0 && e.Term < before.Term {
		c.broken(4, e, "%s follows term %d after term %d", e.Node, e.Term, before.Term)
	}
	// A candidate that a disturbed node could not be given may be taken back from it: it runs what it ran.
	unable := c.touched[e.Node] && before.Revision < before.Wanted && e.Revision == before.Revision
	if e.Wanted < before.Wanted && e.Wanted > 0 && !c.content.bad(before.Wanted) && e.Epoch == before.Epoch && !unable {
		c.broken(2, e, "%s is to run revision %d after revision %d, which nobody refused", e.Node, e.Wanted, before.Wanted)
	}
	if c.content.bad(e.Wanted) && !slices.Contains(c.wanted[e.Wanted], e.Node) {
		c.wanted[e.Wanted] = append(c.wanted[e.Wanted], e.Node)
		// One node is the first wave. When it goes away, or its leader, another may take its place.
		if others := len(c.wanted[e.Wanted]) - 1; others > len(c.touched) {
			c.broken(2, e, "revision %d is refused, and %v were given it", e.Wanted, c.wanted[e.Wanted])
		}
	}
	if e.Proven && c.content.bad(e.Revision) {
		c.broken(6, e, "%s claims to serve revision %d, which gateways refuse", e.Node, e.Revision)
	}
	if e.Proven && e.Revision > n.floor {
		n.floor, n.floorAt = e.Revision, e.At
	}
}

// answered holds promises 2, 3, 5 and 6 on what clients see.
func (c *checker) answered(e Event) {
	n := c.of(e.Node)
	r := route{e.Node, e.Writer}
	for _, s := range c.content.submissions[e.Writer] {
		if s.Number == e.Number && s.Bad {
			c.broken(2, e, "%s serves number %d of %s, which gateways refuse", e.Node, e.Number, e.Writer)
		}
	}
	if e.Number == 0 && c.served[r] > 0 {
		c.broken(5, e, "%s does not serve the route of %s any more, which nobody deleted", e.Node, e.Writer)
		c.served[r] = 0 // once is enough
	}
	c.served[r] = max(c.served[r], e.Number)
	if want := c.content.last(n.floor, e.Writer).Number; e.Began > n.floorAt && e.Number < want {
		c.broken(6, e, "%s was proven to serve revision %d, with number %d of %s, and answers number %d", e.Node, n.floor, want, e.Writer,
			e.Number)
	}
	if want := n.due[e.Writer]; e.Began > n.dueSince[e.Writer] && e.Number < want {
		c.broken(6, e, "%s was told that every gateway serves number %d, and %s answers number %d", e.Writer, want, e.Node, e.Number)
		delete(n.due, e.Writer)
	}
}

// waited remembers what every gateway must serve from now on. Those that are disturbed may be offline, and are not counted then.
func (c *checker) waited(e Event) {
	for name, n := range c.nodes {
		if c.disturbed[name] > 0 || slices.Contains(e.Excused, name) || c.content.bad(n.view.Wanted) {
			continue
		}
		n.due[e.Writer], n.dueSince[e.Writer] = max(n.due[e.Writer], e.Number), e.At
	}
}

// end holds promises 1 and 7: what was acknowledged is in the history, and in the end everybody serves it.
func (c *checker) end(history []Event) {
	listed, last, final := map[int64]bool{}, Event{}, map[route]int{}
	for _, e := range history {
		last.At = e.At
		switch {
		case e.Kind == Listed:
			listed[e.Revision] = true
		case e.Kind == Answered && c.settled > 0 && e.Began >= c.settled:
			final[route{e.Node, e.Writer}] = e.Number
		}
	}
	for writer, all := range c.content.submissions {
		want := 0
		for _, s := range all {
			if len(listed) > 0 && !listed[s.Revision] {
				c.broken(1, last, "number %d of %s was acknowledged as revision %d, which is gone", s.Number, writer, s.Revision)
			}
			if !s.Bad {
				want = s.Number
			}
		}
		if all[len(all)-1].Bad || c.settled == 0 {
			continue // the group is halted at it
		}
		for r, got := range final {
			if r.writer == writer && got != want {
				c.broken(7, last, "all faults are over, and %s serves number %d of %s, not %d", r.node, got, writer, want)
			}
		}
	}
}

// Soaked returns every revision that a second node was given less than a time after the first. It is for histories whose first wave is one
// node, and soaks for longer than that by as much as may be seen late. A node that a rollout before had reached, and whose revision is
// therefore newer than the one that the first node left, belongs to the first wave as well.
func Soaked(history []Event, least time.Duration) (problems []Problem) {
	first, left := map[int64]Event{}, map[int64]int64{}
	told := map[int64]bool{}
	before := map[string]int64{}
	for _, e := range history {
		if e.Kind != Viewed || e.Wanted == 0 {
			continue
		}
		was, known := before[e.Node]
		before[e.Node] = e.Wanted
		if !known || was == e.Wanted { // what it had when the history began says nothing of when it was given that
			continue
		}
		one, given := first[e.Wanted]
		switch {
		case !given:
			first[e.Wanted], left[e.Wanted] = e, was
		case one.Node != e.Node && was <= left[e.Wanted] && e.At-one.At < least && !told[e.Wanted]:
			told[e.Wanted] = true
			problems = append(problems, Problem{Promise: 2, At: e.At, Text: fmt.Sprintf(
				"%s was given revision %d only %s after %s, the first wave", e.Node, e.Wanted, (e.At - one.At).Round(time.Millisecond), one.Node)})
		}
	}
	return problems
}

// Still returns every change that a history has, while a ledger is behind its nodes: no agent may follow anything else, and no gateway may
// answer anything else, than when the history began.
func Still(history []Event) (problems []Problem) {
	views, answers := map[string]Event{}, map[route]int{}
	for _, e := range history {
		switch e.Kind {
		case Viewed:
			if e.Decision == 0 {
				continue
			}
			before, known := views[e.Node]
			if views[e.Node] = e; known && (e.Epoch != before.Epoch || e.Decision != before.Decision || e.Wanted != before.Wanted ||
				e.Revision != before.Revision) {
				problems = append(problems, Problem{Promise: 4, At: e.At, Text: fmt.Sprintf(
					"%s follows decision %d, to run %d, after decision %d, to run %d",
					e.Node, e.Decision, e.Wanted, before.Decision, before.Wanted)})
			}
		case Answered:
			r := route{e.Node, e.Writer}
			before, known := answers[r]
			if answers[r] = e.Number; known && e.Number != before {
				problems = append(problems, Problem{Promise: 5, At: e.At, Text: fmt.Sprintf("%s answers number %d of %s after number %d", e.Node,
					e.Number, e.Writer, before)})
			}
		}
	}
	return problems
}
