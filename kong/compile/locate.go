package compile

import (
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
)

// Locate sets the places of fields in problems of compiled entities. Compiled entities only have their own place, so the documents are read
// again. A field that is not written has the nearest place: a shared plugin config, a default, the entity.
func (c *Compiler) Locate(documents []Document, problems []Problem) {
	for _, d := range documents {
		var mine []*Problem
		for i := range problems {
			if p := &problems[i]; p.Document == d.Name && p.Field != "" && p.Line > 0 {
				mine = append(mine, p)
			}
		}
		if len(mine) == 0 {
			continue
		}
		doc, fault := document.Open(d.Name, d.Content, c.limits.Document)
		if fault != nil {
			continue // it was read before, so this does not happen
		}
		l := locator{doc: doc, wanted: map[[2]int][]*Problem{}}
		for _, p := range mine {
			at := [2]int{p.Line, p.Column}
			l.wanted[at] = append(l.wanted[at], p)
		}
		if fault := l.roots(); fault != nil {
			if l.doc, fault = doc.Whole(fault); fault == nil {
				_ = l.roots() // nothing of it was left to be read
			}
		}
	}
}

type locator struct {
	doc    *document.Document
	fault  *document.Fault
	root   *document.Node
	wanted map[[2]int][]*Problem // by the place of the entity
}

func (l *locator) roots() *document.Fault {
	for _, root := range l.doc.Roots {
		l.root = root
		l.walk(root)
	}
	return l.fault
}

// walk finds the entities that problems are about.
func (l *locator) walk(n *document.Node) {
	if n.Kind == document.Map {
		line, column := l.doc.At(n.Pos)
		at := [2]int{line, column}
		for _, p := range l.wanted[at] {
			l.place(n, p)
		}
		delete(l.wanted, at)
	}
	if n.Kind == document.List && l.fault == nil {
		fault := l.doc.Each(n, func(_ int, e *document.Node) bool {
			l.walk(e)
			return len(l.wanted) > 0
		})
		if fault != nil {
			l.fault = fault
		}
	}
	for _, k := range n.Keys {
		l.walk(k.Value)
	}
}

// place finds the field of a problem in its entity, or in what the entity takes it from.
func (l *locator) place(n *document.Node, p *Problem) {
	best, whole := find(n, p.Field, p.Class)
	if !whole {
		if name := n.Get("_config"); p.Kind == "plugin" && name != nil {
			l.instead(&best, &whole, p, l.root.Get("_plugin_configs"), name.Text, strings.TrimPrefix(p.Field, "config."))
		}
		if info := l.root.Get("_info"); info != nil {
			l.instead(&best, &whole, p, info.Get("defaults"), p.Kind, p.Field)
		}
		if url := n.Get("url"); p.Kind == "service" && url != nil && best == nil {
			best = &url.Pos
		}
	}
	if best != nil {
		p.Line, p.Column = l.doc.At(*best)
	}
}

// instead looks for a field in one member of a map of shared values.
func (l *locator) instead(best **document.Position, whole *bool, p *Problem, shared *document.Node, name, field string) {
	if *whole || shared == nil {
		return
	}
	if from := shared.Get(name); from != nil {
		if at, all := find(from, field, p.Class); all {
			*best, *whole = at, true
		}
	}
}

// find follows a path such as config.rules[2].name. It returns where it ended, nil when nowhere, and whether it got to the end.
func find(n *document.Node, path string, class Class) (at *document.Position, whole bool) {
	for path != "" {
		switch n.Kind {
		case document.Map:
			// Names may hold dots and brackets: take the longest that fits.
			var next *document.Key
			for i := range n.Keys {
				k := &n.Keys[i]
				if rest, ok := strings.CutPrefix(path, printable(k.Name)); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') &&
					(next == nil || len(k.Name) > len(next.Name)) {
					next = k
				}
			}
			if next == nil {
				return at, false
			}
			path = strings.TrimPrefix(path[len(printable(next.Name)):], ".")
			at, n = &next.Value.Pos, next.Value
			if path != "" || class == UnknownField || n.Kind == document.Null {
				at = &next.Pos
			}
		case document.List:
			i, rest, ok := position(path)
			if !ok || i >= len(n.Items) {
				return at, false
			}
			n, path = n.Items[i], rest
			at = &n.Pos
		default:
			return at, false
		}
	}
	return at, true
}

// position reads [12] off the beginning of a path.
func position(path string) (i int, rest string, ok bool) {
	end := strings.IndexByte(path, ']')
	if end < 2 || path[0] != '[' {
		return 0, "", false
	}
	for _, c := range path[1:end] {
		if c < '0' || c > '9' || i > 1<<24 {
			return 0, "", false
		}
		i = 10*i + int(c-'0')
	}
	return i, strings.TrimPrefix(path[end+1:], "."), true
}
