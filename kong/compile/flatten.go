package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// nest is the entity in which others are nested.
type nest struct {
	index int    // of the parent in the fragment
	ref   string // the child's field that refers to it
	kind  string // of the parent
}

// list reads the entities under one key.
func (p *parser) list(kind *entity.Kind, n *document.Node, key string, in *nest) {
	switch n.Kind {
	case document.Null:
		return
	case document.List:
	default:
		p.miss(kind.Name)
		p.wrongType(subject{kind: kind}, n, key, "a list of entities")
		return
	}
	p.each(n, func(i int, e *document.Node) bool {
		if len(p.fragment.items) >= p.limits.Entities {
			p.miss(everything)
			p.problem(subject{}, e.Pos, "", Limit, "more than %d entities", p.limits.Entities)
			return false
		}
		if kind.Name == "snis" && in != nil && e.Kind == document.String {
			e = &document.Node{Kind: document.Map, Pos: e.Pos, Keys: []document.Key{{Name: "name", Pos: e.Pos, Value: e}}}
		}
		if e.Kind != document.Map {
			p.miss(kind.Name)
			p.wrongType(subject{kind: kind}, e, fmt.Sprintf("%s[%d]", key, i), "a map")
			return true
		}
		p.entity(kind, e, in)
		return true
	})
}

// entity reads one entity and what is nested in it.
func (p *parser) entity(kind *entity.Kind, n *document.Node, in *nest) {
	s := p.subject(kind, n)
	before := len(p.problems)
	keys := p.prepare(s, n)
	if name := view(keys).get(kind.NameField); kind.NameField != "" && s.name == "" && name != nil && name.Kind == document.String {
		s.name = name.Text
	}
	it := item{kind: kind, name: s.name, place: p.place(n.Pos)}
	if len(kind.IDFields) > 0 {
		it.keys = make([]string, len(kind.IDFields))
	}
	index := len(p.fragment.items)
	p.fragment.items = append(p.fragment.items, item{})

	w := writer{p: p, s: s, it: &it, nested: in}
	p.buf = p.buf[:0]
	p.members(&w, keys)
	p.required(s, n, keys, in)
	p.check(s, n, keys, slices.Clip(p.problems[before:]))
	p.flaw(&it, index, before, keys)
	it.hashed = p.hashed(s, keys)
	it.body = string(p.buf)
	it.own()
	p.fragment.items[index] = it

	for _, k := range keys {
		if child := kind.Child(k.Name); child != nil {
			p.list(p.table.Kind(child.Kind), k.Value, k.Name, &nest{index, child.Ref, kind.Name})
		}
		if kind.Name == "consumers" && k.Name == "groups" {
			p.memberships(s, k, "consumer", index, "consumer_group", "consumer_groups")
		}
		if kind.Name == "consumer_groups" && k.Name == "consumers" {
			p.memberships(s, k, "consumer_group", index, "consumer", "consumers")
		}
	}
}

func (p *parser) subject(kind *entity.Kind, n *document.Node) subject {
	s := subject{kind: kind}
	if name := n.Get(kind.NameField); kind.NameField != "" && name != nil && name.Kind == document.String {
		s.name = name.Text
	}
	if id := n.Get("id"); id != nil && id.Kind == document.String && schema.IsUUID(id.Text) {
		s.id = strings.ToLower(id.Text)
	}
	return s
}

// writer writes the body of one item.
type writer struct {
	p      *parser
	s      subject
	it     *item
	nested *nest
}

// members writes the members of an entity in the order of their names, with
// splices where the id and the reference to the parent belong.
func (p *parser) members(w *writer, keys []document.Key) {
	in := w.nested
	idDone, parentDone := false, in == nil
	for i := 0; i <= len(keys); i++ {
		next := "\xff"
		if i < len(keys) {
			next = keys[i].Name
		}
		for {
			id := !idDone && next >= "id"
			parent := !parentDone && next >= in.ref
			if id && (!parent || "id" < in.ref) {
				w.it.splices = append(w.it.splices, splice{at: len(p.buf), ref: -1})
				idDone = true
			} else if parent {
				w.it.splices = append(w.it.splices, splice{at: len(p.buf), ref: len(w.it.refs)})
				w.it.refs = append(w.it.refs, reference{field: in.ref, path: in.ref, target: in.kind, local: in.index, place: w.it.place})
				parentDone = true
			} else {
				break
			}
		}
		if i == len(keys) {
			break
		}
		w.member(keys[i])
	}
}

// member writes one member of an entity.
func (w *writer) member(k document.Key) {
	f, v := w.field(k), k.Value
	if f == nil || v.Kind == document.Null && (f.Type == entity.Object || !f.Default) {
		return
	}
	p, s := w.p, w.s
	switch f.Type {
	case entity.Ref:
		w.reference(f, v)
		return
	case entity.Refs:
		w.references(f, v)
		return
	}
	p.buf = append(document.AppendString(p.buf, f.Name), ':')
	switch {
	case v.Kind == document.Null:
		p.buf = append(p.buf, "null"...)
	case s.kind.Name == "routes" && f.Name == "paths" && v.Kind == document.List:
		p.buf = p.paths(s, f, v, p.buf)
	default:
		p.buf = p.value(s, f, v, f.Name, p.buf)
	}
	p.buf = append(p.buf, ',')
	w.index(f, v)
}

// field returns the field that a member sets. It returns nil for members that are handled elsewhere, and after a problem.
func (w *writer) field(k document.Key) *entity.Field {
	kind, p := w.s.kind, w.p
	switch {
	case k.Name == "id":
		w.id(k.Value)
		return nil
	case k.Name == "_comment" || k.Name == "_ignore" || kind.Child(k.Name) != nil || isMembership(kind.Name, k.Name):
		return nil
	}
	f := kind.Field(k.Name)
	switch {
	case f == nil:
		p.problem(w.s, k.Pos, printable(k.Name), UnknownField, "unknown field%s", didYouMean(k.Name, fieldNames(kind)))
	case w.nested != nil && f.Name == w.nested.ref:
		if id := p.fragment.items[w.nested.index].id; id != "" && namesByID(k.Value, id) {
			return nil // Kong Ingress Controller repeats the certificate in each SNI, and Kong takes it
		}
		p.problem(w.s, k.Pos, f.Name, Scope, "a %s that is nested in a %s must not name its %s as well; leave the field out",
			kind.Singular, p.table.Kind(w.nested.kind).Singular, f.Name)
		return nil
	}
	return f
}

// namesByID reports whether a reference names an entity by this id.
func namesByID(v *document.Node, id string) bool {
	named := v.Get("id")
	return v.Kind == document.Map && len(v.Keys) == 1 && named != nil && named.Kind == document.String && strings.EqualFold(named.Text, id)
}

func (w *writer) id(v *document.Node) {
	switch v.Kind {
	case document.Null:
	case document.String:
		if !schema.IsUUID(v.Text) {
			w.p.problem(w.s, v.Pos, "id", BadValue, "expected a UUID, such as 7a1f3c52-5d0e-4a6b-9c3d-2f1e0b9a8c7d")
		}
		w.it.id = strings.ToLower(v.Text)
	default:
		w.p.wrongType(w.s, v, "id", "a string")
	}
}

// index records the values that identify the entity, and those that must be unique.
func (w *writer) index(f *entity.Field, v *document.Node) {
	kind := w.s.kind
	if v.Text == "" { // a number has a text: references may use it although it is no valid name
		return
	}
	if i := slices.Index(kind.IDFields, f.Name); i >= 0 {
		w.it.keys[i] = v.Text
	}
	if f.Unique {
		w.it.unique = append(w.it.unique, uniqueValue{f.Name, v.Text})
	}
	if strings.EqualFold(v.Text, reservedName) && f.Name == kind.NameField {
		w.p.problem(w.s, v.Pos, f.Name, BadValue, "the name %s is reserved", quote(reservedName))
	}
}

func isMembership(kind, key string) bool {
	return kind == "consumers" && key == "groups" || kind == "consumer_groups" && key == "consumers"
}

func fieldNames(kind *entity.Kind) []string {
	names := []string{"id"}
	for _, f := range kind.Fields {
		names = append(names, f.Name)
	}
	for _, c := range kind.Children {
		names = append(names, c.Key)
	}
	if kind.Name == "services" {
		names = append(names, "url")
	}
	return names
}
