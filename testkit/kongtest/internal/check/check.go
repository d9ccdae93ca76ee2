// Package check judges a declarative configuration entity by entity: known keys, types, what is required, and the rules of values that
// agents' mistakes are likely to meet. It knows no other entities than the one in hand. It is written apart from kong/schema on purpose,
// so that a mistake in one of the two shows; Checker.Schemas takes its place where a test wants that.
package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/expression"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/problems"
)

// Checker is what a gateway knows when it checks.
type Checker struct {
	Kinds   *entity.Kinds
	Plugins map[string]bool // those that are enabled
	Flavor  string          // of the router
	Schemas Schemas         // nil: the package's own rules
	Refuse  func(kind string, posted map[string]any) string
}

// Read checks a document and returns its entities by kind, with nested ones below their parents. Entities are returned with errors too,
// because the answer shows them. The error is document.ErrCrash.
func (s *Checker) Read(doc map[string]any) (map[string][]*entity.Node, problems.Tree, error) {
	errs := problems.Tree{}
	roots := map[string][]*entity.Node{}
	switch version, has := doc["_format_version"]; {
	case !has || version == nil:
		errs.Put("required field missing", "_format_version")
	default:
		text, ok := version.(string)
		if !ok {
			errs.Put("expected a string", "_format_version")
		} else if !slices.Contains([]string{"1.1", "2.1", "3.0"}, text) {
			errs.Put("expected one of: 1.1, 2.1, 3.0", "_format_version")
		}
	}
	for name, value := range doc {
		k, isKind := s.Kinds.ByName[name]
		switch {
		case name == "_format_version" || name == "_comment" || name == "_ignore":
		case name == "_transform":
			if _, ok := value.(bool); !ok && value != nil {
				errs.Put("expected a boolean", name)
			}
		case !isKind:
			errs.Put("unknown field", name)
		default:
			nodes, err := s.list(k, value, nil, "", errs)
			if err != nil {
				return nil, nil, err
			}
			roots[name] = nodes
		}
	}
	return roots, errs, nil
}

func (s *Checker) list(k *entity.Kind, value any, parent *entity.Node, parentField string, errs problems.Tree) ([]*entity.Node, error) {
	if value == nil {
		return nil, nil
	}
	list, ok := value.([]any)
	if !ok {
		if object, isObject := value.(map[string]any); isObject && len(object) == 0 {
			return nil, nil
		}
		path := []any{k.Name}
		if parent != nil {
			path = parent.Path(k.Name)
		}
		errs.Put("expected an array", path...)
		return nil, nil
	}
	nodes := make([]*entity.Node, 0, len(list))
	for i, item := range list {
		own, ok := item.(map[string]any)
		if !ok {
			return nil, document.ErrCrash
		}
		n := &entity.Node{Kinds: s.Kinds, Kind: k, Own: own, Parent: parent, ParentField: parentField, Position: i + 1}
		if err := s.entity(n, errs); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (s *Checker) entity(n *entity.Node, errs problems.Tree) error {
	if err := s.children(n, errs); err != nil {
		return err
	}
	complain := func(message string, field ...any) { errs.Put(message, n.Path(field...)...) }
	if err := references(n, complain); err != nil {
		return err
	}
	if s.bySchema(n) {
		if err := s.checkSchema(n, complain); err != nil {
			return err
		}
		s.codeRules(n, complain)
	} else {
		s.fields(n, complain)
		s.rules(n, complain)
	}
	if s.Refuse != nil {
		if message := s.Refuse(n.Kind.Name, n.Own); message != "" {
			complain(message, problems.Whole)
		}
	}
	return nil
}

// children moves nested entities out of a node's own fields, and checks them.
func (s *Checker) children(n *entity.Node, errs problems.Tree) error {
	for name, field := range s.Kinds.Nested[n.Kind.Name] {
		value, given := n.Own[name]
		if !given {
			continue
		}
		delete(n.Own, name)
		children, err := s.list(s.Kinds.ByName[name], value, n, field, errs)
		if err != nil {
			return err
		}
		if n.Children == nil {
			n.Children = map[string][]*entity.Node{}
		}
		n.Children[name] = children
	}
	return nil
}

// references checks the form of all references to other entities.
func references(n *entity.Node, complain func(string, ...any)) error {
	for _, f := range n.Kind.Foreign {
		if value := n.Own[f.Name]; value != nil {
			if err := foreign(value, f, complain); err != nil {
				return err
			}
		}
	}
	return nil
}

// fields checks the names and types of fields where there are no schemas.
func (s *Checker) fields(n *entity.Node, complain func(string, ...any)) {
	for name, value := range n.Own {
		f, known := n.Kind.Fields[name]
		switch {
		case s.outsideTable(n.Kind.Name, name):
		case !known:
			complain("unknown field", name)
		case value != nil && f.Type != "foreign":
			checkField(f, value, complain)
		}
	}
	for _, name := range n.Kind.Required {
		if n.Own[name] == nil && n.ParentField != name && !(name == "host" && n.Own["url"] != nil) {
			complain("required field missing", name)
		}
	}
}

// outsideTable reports whether Kong takes a field that the table of kinds does not have.
func (s *Checker) outsideTable(kind, name string) bool {
	switch name {
	case "_comment", "_ignore":
		return true
	case "url":
		return kind == "services"
	case "expression", "priority":
		return kind == "routes" && s.Flavor == expression.Flavor
	}
	return false
}

// foreign checks the form of a reference: a name or id as a string, or {id}. An object without an id is an error even when it names an
// entity (F13).
func foreign(value any, f entity.Field, complain func(string, ...any)) error {
	switch ref := value.(type) {
	case string:
		return nil
	case map[string]any:
		id, ok := ref["id"].(string)
		switch {
		case !ok:
			complain("missing primary key", f.Name, "id")
		case !entity.IsUUID(id):
			complain("expected a valid UUID", f.Name, "id")
		}
		return nil
	}
	return document.ErrCrash
}

func checkField(f entity.Field, value any, complain func(string, ...any)) {
	switch f.Type {
	case "array", "set":
		list, ok := value.([]any)
		if !ok {
			if object, isObject := value.(map[string]any); !isObject || len(object) > 0 {
				complain(map[string]string{"array": "expected an array", "set": "expected a set"}[f.Type], f.Name)
			}
			return
		}
		for i, item := range list {
			if message := wrongScalar(entity.Field{Type: f.Elem}, item); message != "" {
				complain(message, f.Name, i+1)
			}
		}
	case "map", "record":
		if _, ok := value.(map[string]any); !ok {
			if list, isList := value.([]any); !isList || len(list) > 0 {
				complain("expected a "+f.Type, f.Name)
			}
		}
	default:
		if message := wrongScalar(f, value); message != "" {
			complain(message, f.Name)
		}
	}
}

func wrongScalar(f entity.Field, value any) string {
	switch f.Type {
	case "uuid":
		text, ok := value.(string)
		switch {
		case !ok:
			return "expected a string"
		case !entity.IsUUID(text):
			return "expected a valid UUID"
		}
	case "string":
		text, ok := value.(string)
		switch {
		case !ok:
			return "expected a string"
		case text == "":
			return "length must be at least 1"
		case len(f.OneOf) > 0 && !slices.Contains(f.OneOf, text):
			return "expected one of: " + strings.Join(f.OneOf, ", ")
		}
	case "integer", "number":
		number, ok := value.(float64)
		switch {
		case f.Type == "integer" && (!ok || number != math.Trunc(number)):
			return "expected an integer"
		case !ok:
			return "expected a number"
		case len(f.OneOf) > 0 && !slices.Contains(f.OneOf, fmt.Sprint(number)):
			return "expected one of: " + strings.Join(f.OneOf, ", ")
		case f.Ranged && (number < f.Min || number > f.Max):
			return fmt.Sprintf("value should be between %.0f and %.0f", f.Min, f.Max)
		}
	case "boolean":
		if _, ok := value.(bool); !ok {
			return "expected a boolean"
		}
	case "record":
		if _, ok := value.(map[string]any); !ok {
			return "expected a record"
		}
	}
	return ""
}
