package compile

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
)

// Limits bound the size of one source.
type Limits struct {
	Bytes    int // of all documents together
	Entities int
	Document document.Limits
}

// DefaultLimits fit the largest snapshot that Silverback delivers.
func DefaultLimits() Limits {
	return Limits{Bytes: 64 << 20, Entities: 1_000_000, Document: document.DefaultLimits()}
}

// Compiler holds the table of kinds. It is immutable and safe for concurrent use.
type Compiler struct {
	table  *entity.Table
	limits Limits
}

// New returns a compiler.
func New(limits Limits) *Compiler {
	return &Compiler{table: entity.NewTable(), limits: limits}
}

// Parse reads the documents of one source. When there is any problem, the fragment is nil and all problems are returned, in the order of
// their places. No documents is a problem too: it must never mean "delete everything".
func (c *Compiler) Parse(documents []Document) (*Fragment, []Problem) {
	f, problems := c.Read(documents)
	if len(problems) > 0 {
		return nil, problems
	}
	return f, nil
}

// Read is Parse that also returns the refused fragment, for Draft. The fragment is nil when there are more problems than are reported.
func (c *Compiler) Read(documents []Document) (*Fragment, []Problem) {
	p := &parser{table: c.table, limits: c.limits, fragment: &Fragment{}}
	p.run(documents)
	if p.full() {
		return nil, append(finish(p.problems)[:maxProblems:maxProblems], Problem{
			Class: p.problems[maxProblems].Class, Message: fmt.Sprintf("there are more problems; the search ended after the first %d",
				maxProblems),
		})
	}
	p.fragment.Warnings = finish(p.warnings)
	return p.fragment, finish(p.problems)
}

// parser is the state of one Parse.
type parser struct {
	table    *entity.Table
	limits   Limits
	fragment *Fragment
	state

	current  int // index of the document
	document *document.Document
	fault    *document.Fault // found while its lists are read
	header   header
	buf      []byte
}

// state is the part of the parser that grows with a document.
type state struct {
	problems []Problem
	warnings []Problem
	seen     merged
	items    int // of the fragment; set before a rewind
}

func (p *parser) run(documents []Document) {
	total := 0
	for _, d := range documents {
		p.fragment.Documents = append(p.fragment.Documents, d.Name)
		total += len(d.Content)
		if total > p.limits.Bytes {
			p.problems = append(p.problems, Problem{Document: d.Name, Class: Limit,
				Message: fmt.Sprintf("the documents hold more than %d bytes, which is the limit", p.limits.Bytes)})
			return
		}
	}
	if len(documents) == 0 {
		p.problems = append(p.problems, Problem{Class: Empty, Message: "no document was given"})
		return
	}
	for i, d := range documents {
		if p.full() {
			return
		}
		p.current = i
		p.read(d)
	}
}

func (p *parser) read(d Document) {
	if p.leftover(d) {
		return
	}
	before := p.state
	before.items = len(p.fragment.items)
	doc, fault := document.Open(d.Name, d.Content, p.limits.Document)
	if fault == nil {
		fault = p.roots(doc)
	}
	if fault != nil && doc != nil {
		// Discard what was compiled: the document is read again as a whole.
		p.rewind(before)
		if doc, fault = doc.Whole(fault); fault == nil {
			fault = p.roots(doc)
		}
	}
	if fault != nil {
		p.miss(everything)
		p.problems = append(p.problems, Problem{
			Document: d.Name, Line: fault.Line, Column: fault.Column, Class: fleet.ParseClass(fault.Class), Message: fault.Message,
		})
	}
}

// roots reads the roots of a document. A fault means that a part of it cannot be read.
func (p *parser) roots(doc *document.Document) *document.Fault {
	p.document, p.fault = doc, nil
	for _, root := range doc.Roots {
		p.root(root)
	}
	return p.fault
}

// each passes the elements of a list until f returns false or there are too many problems.
func (p *parser) each(list *document.Node, f func(i int, e *document.Node) bool) {
	if p.fault != nil {
		return
	}
	p.fault = p.document.Each(list, func(i int, e *document.Node) bool { return !p.full() && f(i, e) })
}

// full reports whether there are more problems than are reported. Parsing then stops.
func (p *parser) full() bool { return len(p.problems) > maxProblems }

// rewind discards what was read since.
func (p *parser) rewind(to state) {
	clear(p.fragment.items[to.items:])
	p.fragment.items = p.fragment.items[:to.items]
	maps.DeleteFunc(p.fragment.flaws, func(i int, _ []Problem) bool { return i >= to.items })
	p.state = to
}

// leftover refuses templates that the client did not replace. It searches the text, since templates may stand anywhere in it.
func (p *parser) leftover(d Document) bool {
	found := false
	for at := 0; ; {
		i := bytes.Index(d.Content[at:], []byte("${{"))
		if i < 0 {
			return found
		}
		found = true
		p.miss(everything)
		at += i
		line := 1 + bytes.Count(d.Content[:at], []byte("\n"))
		p.problems = append(p.problems, Problem{
			Document: d.Name, Line: line, Column: at - bytes.LastIndexByte(d.Content[:at], '\n'), Class: Env,
			Message: `a template ${{ env "DECK_..." }} was not replaced; set the variable where the command line runs, its name must begin with ` +
				`DECK_`,
		})
		if at += 3; p.full() {
			return true
		}
	}
}

// subject is the entity that problems are about.
type subject struct {
	kind *entity.Kind
	name string
	id   string
}

func (p *parser) place(at document.Position) place {
	line, column := p.document.At(at)
	return place{p.current, line, column}
}

func (p *parser) problem(s subject, at document.Position, field string, class Class, format string, args ...any) {
	if len(p.problems) > 10*maxProblems { // of one entity
		return
	}
	p.problems = append(p.problems, p.make(s, at, field, class, format, args...))
}

func (p *parser) warn(s subject, at document.Position, field string, class Class, format string, args ...any) {
	if len(p.warnings) > 10*maxProblems {
		return
	}
	p.warnings = append(p.warnings, p.make(s, at, field, class, format, args...))
}

func (p *parser) make(s subject, at document.Position, field string, class Class, format string, args ...any) Problem {
	place := p.place(at)
	problem := Problem{
		Document: p.fragment.Documents[p.current], Line: place.line, Column: place.column,
		Name: s.name, ID: s.id, Field: field, Class: class, Message: fmt.Sprintf(format, args...),
	}
	if s.kind != nil {
		problem.Kind = s.kind.Singular
	}
	return problem
}

// wrongType reports a value of another type, with a remedy if there is an obvious one.
func (p *parser) wrongType(s subject, n *document.Node, field, want string) {
	remedy := ""
	switch {
	case want == "a string" && (n.Kind == document.Int || n.Kind == document.Float || n.Kind == document.Bool):
		remedy = "; put it in quotes"
	case want == "a boolean" && n.Kind == document.String:
		remedy = "; write " + booleanFor(n.Text)
	case (want == "an integer" || want == "a number") && n.Kind == document.String:
		remedy = "; write the number in decimal, without quotes"
	case strings.HasPrefix(want, "a list") && n.Kind != document.Map:
		remedy = "; begin each element with a dash"
	}
	p.problem(s, n.Pos, field, WrongType, "expected %s, not %s%s", want, n.Kind, remedy)
}

// booleanFor returns the remedy for a string in place of a boolean. YAML 1.2 reads the booleans of YAML 1.1, such as yes, as text.
func booleanFor(text string) string {
	var meant string
	switch strings.ToLower(text) {
	case "yes", "y", "on":
		meant = "true"
	case "no", "n", "off":
		meant = "false"
	default:
		return "true or false, without quotes"
	}
	return meant + "; " + strings.ToLower(text) + " is text in YAML 1.2"
}
