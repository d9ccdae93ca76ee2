package compile

import (
	"fmt"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
)

// customEntities unwraps decK's form of kinds that plugins bring along.
func (p *parser) customEntities(key document.Key) {
	n := key.Value
	if n.Kind != document.List {
		if n.Kind != document.Null {
			p.wrongType(subject{}, n, key.Name, "a list")
		}
		return
	}
	p.each(n, func(i int, e *document.Node) bool {
		at := fmt.Sprintf("custom_entities[%d]", i)
		if e.Kind != document.Map {
			p.wrongType(subject{}, e, at, "a map")
			return true
		}
		name, fields := e.Get("type"), e.Get("fields")
		if name == nil || name.Kind != document.String {
			p.problem(subject{}, e.Pos, at+".type", MissingField, "the type is required, as a string")
			return true
		}
		kind := p.table.Kind(name.Text)
		if kind == nil {
			p.problem(subject{}, name.Pos, at+".type", Unsupported, "custom entities of the type %s are not supported", quote(name.Text))
			return true
		}
		flat := &document.Node{Kind: document.Map, Pos: e.Pos}
		for _, k := range e.Keys {
			switch k.Name {
			case "type", "fields":
			default:
				flat.Keys = append(flat.Keys, k)
			}
		}
		if fields != nil && fields.Kind == document.Map {
			for _, k := range fields.Keys {
				if flat.Get(k.Name) == nil {
					flat.Keys = append(flat.Keys, k)
				}
				f := kind.Field(k.Name)
				if f != nil && f.Type == entity.Ref && k.Value.Kind == document.String {
					p.wrongType(subject{kind: kind}, k.Value, k.Name, "a map with the id or the name")
				}
			}
		} else if fields != nil && fields.Kind != document.Null {
			p.wrongType(subject{kind: kind}, fields, at+".fields", "a map")
			return true
		}
		p.entity(kind, flat, nil)
		return true
	})
}
