package kongtest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// structure checks documents for shape: known keys, types, what is required.
type structure struct {
	kinds   *kinds
	plugins map[string]bool
	flavor  string
	schemas *schema.Bundle // nil: the table of kinds and a few rules are all there is
	lua     bool
	refuse  func(kind string, entity map[string]any) string
}

// read checks a document and returns its entities by kind, with those nested in
// others hanging from them. Entities are returned even when there are errors,
// for the answer shows them.
func (s *structure) read(doc map[string]any) (map[string][]*node, tree, error) {
	errs := tree{}
	roots := map[string][]*node{}
	switch version, has := doc["_format_version"]; {
	case !has || version == nil:
		errs.put("required field missing", "_format_version")
	default:
		text, ok := version.(string)
		if !ok {
			errs.put("expected a string", "_format_version")
		} else if !slices.Contains([]string{"1.1", "2.1", "3.0"}, text) {
			errs.put("expected one of: 1.1, 2.1, 3.0", "_format_version")
		}
	}
	for name, value := range doc {
		k, isKind := s.kinds.byName[name]
		switch {
		case name == "_format_version" || name == "_comment" || name == "_ignore":
		case name == "_transform":
			if _, ok := value.(bool); !ok && value != nil {
				errs.put("expected a boolean", name)
			}
		case !isKind:
			errs.put("unknown field", name)
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

func (s *structure) list(k *kind, value any, parent *node, parentField string, errs tree) ([]*node, error) {
	if value == nil {
		return nil, nil
	}
	list, ok := value.([]any)
	if !ok {
		if object, isObject := value.(map[string]any); isObject && len(object) == 0 {
			return nil, nil
		}
		path := []any{k.name}
		if parent != nil {
			path = parent.path(k.name)
		}
		errs.put("expected an array", path...)
		return nil, nil
	}
	nodes := make([]*node, 0, len(list))
	for i, item := range list {
		own, ok := item.(map[string]any)
		if !ok {
			return nil, errCrash
		}
		n := &node{kinds: s.kinds, kind: k, own: own, parent: parent, parentField: parentField, position: i + 1}
		if err := s.entity(n, errs); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func (s *structure) entity(n *node, errs tree) error {
	nested := s.kinds.nested[n.kind.name]
	judged := s.judged(n)
	complain := func(message string, field ...any) { errs.put(message, n.path(field...)...) }
	for name, value := range n.own {
		if childField, ok := nested[name]; ok {
			delete(n.own, name)
			children, err := s.list(s.kinds.byName[name], value, n, childField, errs)
			if err != nil {
				return err
			}
			if n.children == nil {
				n.children = map[string][]*node{}
			}
			n.children[name] = children
			continue
		}
		f, known := n.kind.fields[name]
		switch {
		case known && f.typ == "foreign" && value != nil:
			if err := foreign(value, f, complain); err != nil {
				return err
			}
		case judged:
		case name == "_comment" || name == "_ignore" || name == "url" && n.kind.name == "services":
		case s.flavor == flavorExpressions && n.kind.name == "routes" && (name == "expression" || name == "priority"):
		case !known:
			complain("unknown field", name)
		case value != nil:
			checkField(f, value, complain)
		}
	}
	if judged {
		if err := s.judge(n, complain); err != nil {
			return err
		}
		s.codeRules(n, complain)
	} else {
		for _, name := range n.kind.required {
			if n.own[name] == nil && n.parentField != name && !(name == "host" && n.own["url"] != nil) {
				complain("required field missing", name)
			}
		}
		s.rules(n, complain)
	}
	if s.refuse != nil {
		if message := s.refuse(n.kind.name, n.own); message != "" {
			complain(message, "@entity")
		}
	}
	return nil
}

// foreign checks the form of a reference: a name or id as a string, or {id}.
// An object without an id is an error even if it names an entity (F13).
func foreign(value any, f field, complain func(string, ...any)) error {
	switch ref := value.(type) {
	case string:
		return nil
	case map[string]any:
		id, ok := ref["id"].(string)
		switch {
		case !ok:
			complain("missing primary key", f.name, "id")
		case !isUUID(id):
			complain("expected a valid UUID", f.name, "id")
		}
		return nil
	}
	return errCrash
}

func checkField(f field, value any, complain func(string, ...any)) {
	switch f.typ {
	case "uuid":
		text, ok := value.(string)
		if !ok {
			complain("expected a string", f.name)
		} else if !isUUID(text) {
			complain("expected a valid UUID", f.name)
		}
	case "array", "set":
		list, ok := value.([]any)
		if !ok {
			if object, isObject := value.(map[string]any); !isObject || len(object) > 0 {
				complain(map[string]string{"array": "expected an array", "set": "expected a set"}[f.typ], f.name)
			}
			return
		}
		for i, item := range list {
			if message := wrongScalar(field{typ: f.elem}, item); message != "" {
				complain(message, f.name, i+1)
			}
		}
	case "map", "record":
		if _, ok := value.(map[string]any); !ok {
			if list, isList := value.([]any); !isList || len(list) > 0 {
				complain("expected a "+f.typ, f.name)
			}
		}
	default:
		if message := wrongScalar(f, value); message != "" {
			complain(message, f.name)
		}
	}
}

func wrongScalar(f field, value any) string {
	switch f.typ {
	case "string":
		text, ok := value.(string)
		switch {
		case !ok:
			return "expected a string"
		case text == "":
			return "length must be at least 1"
		case len(f.oneOf) > 0 && !slices.Contains(f.oneOf, text):
			return "expected one of: " + strings.Join(f.oneOf, ", ")
		}
	case "integer", "number":
		number, ok := value.(float64)
		switch {
		case f.typ == "integer" && (!ok || number != math.Trunc(number)):
			return "expected an integer"
		case !ok:
			return "expected a number"
		case len(f.oneOf) > 0 && !slices.Contains(f.oneOf, fmt.Sprint(number)):
			return "expected one of: " + strings.Join(f.oneOf, ", ")
		case f.ranged && (number < f.min || number > f.max):
			return fmt.Sprintf("value should be between %.0f and %.0f", f.min, f.max)
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

func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
