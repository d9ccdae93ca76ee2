package compile

import (
	"fmt"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// reference notes a reference to an entity outside of the nest.
func (w *writer) reference(f *entity.Field, v *document.Node) {
	r, ok := w.p.referred(w.s, v, f.Name, f.Ref)
	if !ok {
		return
	}
	r.field = f.Name
	w.it.splices = append(w.it.splices, splice{at: len(w.p.buf), ref: len(w.it.refs)})
	w.it.refs = append(w.it.refs, r)
}

// references writes a list of maps that each refer to an entity by id or name.
func (w *writer) references(f *entity.Field, v *document.Node) {
	p := w.p
	if v.Kind != document.List {
		p.wrongType(w.s, v, f.Name, "a list")
		return
	}
	p.buf = append(document.AppendString(p.buf, f.Name), ":["...)
	written := 0
	for i, e := range v.Items {
		path := fmt.Sprintf("%s[%d]", f.Name, i)
		if e.Kind != document.Map {
			p.wrongType(w.s, e, path, "a map")
			continue
		}
		r, ok := p.referred(w.s, e, path, f.Ref)
		if !ok {
			continue
		}
		if written++; written > 1 {
			p.buf = append(p.buf, ',')
		}
		p.buf = append(p.buf, `{"id":`...)
		w.it.splices = append(w.it.splices, splice{at: len(p.buf), ref: len(w.it.refs), bare: true})
		w.it.refs = append(w.it.refs, r)
		if at := e.Get("path"); at != nil && at.Kind != document.Null {
			if at.Kind != document.String {
				p.wrongType(w.s, at, path+".path", "a string")
			}
			p.buf = document.AppendString(append(p.buf, `,"path":`...), at.Text)
		}
		p.buf = append(p.buf, '}')
	}
	p.buf = append(p.buf, "],"...)
}

// referred reads a reference: a name or an id as a string, or a map with either.
func (p *parser) referred(s subject, v *document.Node, field, target string) (reference, bool) {
	r := reference{path: field, target: target, local: -1, place: p.place(v.Pos)}
	switch v.Kind {
	case document.Null:
		return r, false
	case document.String:
		if v.Text == "" {
			p.problem(s, v.Pos, field, BadValue, "a reference must not be empty")
			return r, false
		}
		r.name = v.Text
		if schema.IsUUID(v.Text) {
			r.id = strings.ToLower(v.Text)
		}
		return r, true
	case document.Map:
		for _, k := range v.Keys {
			if k.Value.Kind != document.String {
				if k.Value.Kind != document.Null && (k.Name == "id" || k.Name == "name" || k.Name == "username") {
					p.wrongType(s, k.Value, field+"."+k.Name, "a string")
					return r, false
				}
				continue
			}
			switch k.Name {
			case "id":
				r.id = strings.ToLower(k.Value.Text)
			case "name", "username":
				r.name = k.Value.Text
			case "custom_id":
				r.other = k.Value.Text
			}
		}
		if r.id == "" && r.name == "" && r.other == "" {
			p.problem(s, v.Pos, field, MissingField, "a reference needs an id or a name")
			return r, false
		}
		return r, true
	}
	p.wrongType(s, v, field, "a name, an id, or a map with either")
	return r, false
}

// memberships reads the memberships of consumers in groups, from either side.
func (p *parser) memberships(s subject, k document.Key, owner string, index int, field, target string) {
	if k.Value.Kind == document.Null {
		return
	}
	if k.Value.Kind != document.List {
		p.wrongType(s, k.Value, k.Name, "a list")
		return
	}
	kind := p.table.Kind("consumer_group_consumers")
	ownerKind := s.kind.Name
	for i, e := range k.Value.Items {
		r, ok := p.referred(s, e, fmt.Sprintf("%s[%d]", k.Name, i), target)
		if !ok {
			if e.Kind == document.Null {
				p.wrongType(s, e, fmt.Sprintf("%s[%d]", k.Name, i), "a name, an id, or a map with either")
			}
			continue
		}
		r.field = field
		it := item{kind: kind, place: r.place, keys: make([]string, len(kind.IDFields))}
		refs := []reference{r, {field: owner, path: k.Name, target: ownerKind, local: index, place: r.place}}
		if owner == "consumer" {
			refs[0], refs[1] = refs[1], refs[0]
		}
		it.refs = refs // consumer, then consumer_group
		it.splices = []splice{{ref: 0}, {ref: 1}, {ref: -1}}
		p.fragment.items = append(p.fragment.items, it)
	}
}
