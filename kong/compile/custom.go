package compile

import (
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
)

// customEntities reads decK's form of entities whose kinds come with plugins.
func (p *parser) customEntities(key document.Key) {
	n := key.Value
	if !p.is(document.List, n, key.Name, "a list") {
		return
	}
	p.each(n, func(i int, e *document.Node) bool {
		if kind, flat := p.customEntity(e, fmt.Sprintf("custom_entities[%d]", i)); kind != nil {
			p.entity(kind, flat, nil)
		}
		return true
	})
}

// customEntity returns one of them in the usual form. It returns nil after a problem.
func (p *parser) customEntity(e *document.Node, at string) (*entity.Kind, *document.Node) {
	if e.Kind != document.Map {
		p.wrongType(subject{}, e, at, "a map")
		return nil, nil
	}
	name, fields := e.Get("type"), e.Get("fields")
	if name == nil || name.Kind != document.String {
		p.problem(subject{}, e.Pos, at+".type", MissingField, "the type is required, as a string")
		return nil, nil
	}
	kind := p.table.Kind(name.Text)
	if kind == nil {
		p.problem(subject{}, name.Pos, at+".type", Unsupported, "custom entities of the type %s are not supported", quote(name.Text))
		return nil, nil
	}
	flat := &document.Node{Kind: document.Map, Pos: e.Pos}
	flat.Keys = slices.DeleteFunc(slices.Clone(e.Keys), func(k document.Key) bool { return k.Name == "type" || k.Name == "fields" })
	if fields == nil || fields.Kind == document.Null {
		return kind, flat
	}
	if fields.Kind != document.Map {
		p.wrongType(subject{kind: kind}, fields, at+".fields", "a map")
		return nil, nil
	}
	for _, k := range fields.Keys {
		if flat.Get(k.Name) == nil {
			flat.Keys = append(flat.Keys, k)
		}
		if f := kind.Field(k.Name); f != nil && f.Type == entity.Ref && k.Value.Kind == document.String {
			p.wrongType(subject{kind: kind}, k.Value, k.Name, "a map with the id or the name")
		}
	}
	return kind, flat
}
