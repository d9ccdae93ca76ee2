// Package problems is Kong's table of errors about a declarative configuration, and the answers that are made of it: nested, flattened and
// as a sentence in Lua's notation.
package problems

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
)

// Tree is Kong's nested table of errors. Keys are field names, or positions from 1. Leaves are messages, and lists of messages under
// Whole.
type Tree map[any]any

// Whole is the key of messages about a whole entity.
const Whole = "@entity"

// Put adds a message at a path. A later message at the same place replaces it, as in Kong. Messages about a whole entity add up.
func (t Tree) Put(message string, path ...any) {
	for _, key := range path[:len(path)-1] {
		next, ok := t[key].(Tree)
		if !ok {
			next = Tree{}
			t[key] = next
		}
		t = next
	}
	last := path[len(path)-1]
	if last == Whole {
		list, _ := t[last].([]any)
		t[last] = append(list, message)
		return
	}
	t[last] = message
}

// Keys returns the keys in a stable order: positions first, then names.
func (t Tree) Keys() []any {
	keys := make([]any, 0, len(t))
	for key := range t {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b any) int {
		x, xIsInt := a.(int)
		y, yIsInt := b.(int)
		switch {
		case xIsInt && yIsInt:
			return x - y
		case xIsInt:
			return -1
		case yIsInt:
			return 1
		}
		return strings.Compare(a.(string), b.(string))
	})
	return keys
}

func (t Tree) isList() bool {
	for key := range t {
		if _, ok := key.(int); !ok {
			return false
		}
	}
	return len(t) > 0
}

// Plain returns what Kong's JSON encoder makes of the table. A table with positions only becomes an array with null holes.
func (t Tree) Plain() any {
	if !t.isList() {
		object := map[string]any{}
		for key, value := range t {
			object[fmt.Sprint(key)] = plainValue(value)
		}
		return object
	}
	var list []any
	for _, key := range t.Keys() {
		for len(list) < key.(int)-1 {
			list = append(list, nil)
		}
		list = append(list, plainValue(t[key]))
	}
	return list
}

func plainValue(value any) any {
	if sub, ok := value.(Tree); ok {
		return sub.Plain()
	}
	return value
}

// lua writes the table as the message of a refusal repeats it.
func (t Tree) lua() string {
	var out strings.Builder
	writeLua(&out, t)
	return out.String()
}

func writeLua(out *strings.Builder, value any) {
	switch value := value.(type) {
	case Tree:
		out.WriteByte('{')
		next := 1
		for i, key := range value.Keys() {
			if i > 0 {
				out.WriteByte(',')
			}
			switch key := key.(type) {
			case int:
				if key != next {
					fmt.Fprintf(out, "[%d]=", key)
				}
				next = key + 1
			case string:
				if isLuaName(key) {
					out.WriteString(key + "=")
				} else {
					fmt.Fprintf(out, "[%q]=", key)
				}
			}
			writeLua(out, value[key])
		}
		out.WriteByte('}')
	case []any:
		out.WriteByte('{')
		for i, item := range value {
			if i > 0 {
				out.WriteByte(',')
			}
			writeLua(out, item)
		}
		out.WriteByte('}')
	default:
		writeLuaString(out, fmt.Sprint(value))
	}
}

func writeLuaString(out *strings.Builder, text string) {
	out.WriteByte('"')
	for _, c := range []byte(text) {
		switch {
		case c == '"' || c == '\\':
			out.WriteString("\\" + string(c))
		case c == '\n':
			out.WriteString("\\\n")
		case c < ' ':
			fmt.Fprintf(out, "\\%d", c)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
}

func isLuaName(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// Refused is an error whose body is Kong's answer.
type Refused struct{ Body map[string]any }

// Error returns the message of the answer.
func (r *Refused) Error() string { return fmt.Sprint(r.Body["message"]) }

// Refuse answers 400 about a configuration that could be parsed. Roots are its entities by kind. Expanded says that their ids have been
// given. A flattened answer moves the errors of entities out of the table, as flatten_errors asks.
func Refuse(errs Tree, flatten bool, roots map[string][]*entity.Node, expanded bool) *Refused {
	answer := map[string]any{"code": 14, "name": "invalid declarative configuration"}
	if flatten {
		flat := flattener{expanded: expanded}
		errs = flat.run(errs, roots)
		answer["flattened_errors"] = map[string]any{}
		if len(flat.found) > 0 {
			answer["flattened_errors"] = flat.found
		}
	}
	answer["fields"] = errs.Plain()
	answer["message"] = "declarative config is invalid: " + errs.lua()
	return &Refused{answer}
}

// Unparsed answers 400 about a text that is no document.
func Unparsed(message string) *Refused {
	return Refuse(Tree{"error": "failed parsing declarative configuration: " + message}, false, nil, false)
}

// flattener moves the errors of entities out of the table of fields. With expanded, ids and parents show in the entities.
type flattener struct {
	expanded bool
	found    []map[string]any
}

// run returns the errors that stay behind.
func (f *flattener) run(errs Tree, roots map[string][]*entity.Node) Tree {
	rest := Tree{}
	for _, key := range errs.Keys() {
		name, _ := key.(string)
		below, isTree := errs[key].(Tree)
		nodes, isKind := roots[name]
		if !isTree || !isKind {
			rest[key] = errs[key]
			continue
		}
		for _, position := range below.Keys() {
			i, ok := position.(int)
			if !ok {
				continue // Kong loses errors that it filed under a name rather than a position.
			}
			if i > len(nodes) {
				rest.Put(fmt.Sprint(below[position]), key, position)
				continue
			}
			f.entity(nodes[i-1], below[position])
		}
	}
	return rest
}

func (f *flattener) entity(n *entity.Node, errs any) {
	shown := n.Shown(f.expanded)
	var list []map[string]any
	if message, ok := errs.(string); ok {
		list = append(list, map[string]any{"type": "entity", "message": message})
	}
	below, _ := errs.(Tree)
	for _, key := range below.Keys() {
		name, _ := key.(string)
		if f.children(n, name, below[key]) {
			continue
		}
		if ref, ok := shown[name].(map[string]any); ok && n.Kind.Fields[name].Ref != "" {
			delete(shown, name)
			made := &entity.Node{Kind: n.Kinds.ByName[n.Kind.Fields[name].Ref], Kinds: n.Kinds, Own: ref}
			f.entity(made, below[key])
			continue
		}
		list = append(list, leaves(name, below[key])...)
	}
	if len(list) == 0 {
		return
	}
	entry := map[string]any{"entity": luaEmpty(shown), "entity_type": n.Kind.Singular, "errors": list}
	if name, ok := shown["name"].(string); ok {
		entry["entity_name"] = name
	}
	if id, ok := shown["id"].(string); ok && entity.IsUUID(id) {
		entry["entity_id"] = id
	}
	if tags, ok := shown["tags"].([]any); ok {
		if !slices.ContainsFunc(tags, func(tag any) bool { _, ok := tag.(string); return !ok }) {
			entry["entity_tags"] = tags
		}
	}
	f.found = append(f.found, entry)
}

// children moves the errors of nested entities. It reports false when there are none under that name.
func (f *flattener) children(n *entity.Node, name string, errs any) bool {
	children, nested := n.Children[name]
	byPosition, isTree := errs.(Tree)
	if !nested || !isTree || !byPosition.isList() {
		return false
	}
	for _, position := range byPosition.Keys() {
		if i := position.(int); i <= len(children) {
			f.entity(children[i-1], byPosition[position])
		}
	}
	return true
}

// leaves lists the errors below a path, in the form of flattened errors.
func leaves(path string, value any) []map[string]any {
	if path == Whole {
		var list []map[string]any
		for _, message := range value.([]any) {
			list = append(list, map[string]any{"type": "entity", "message": message})
		}
		return list
	}
	below, ok := value.(Tree)
	if !ok {
		return []map[string]any{{"type": "field", "field": path, "message": value}}
	}
	var list []map[string]any
	for _, key := range below.Keys() {
		step := fmt.Sprint(key)
		if i, ok := key.(int); ok {
			step = strconv.Itoa(i)
		}
		if step == Whole {
			list = append(list, leaves(step, below[key])...)
			continue
		}
		list = append(list, leaves(path+"."+step, below[key])...)
	}
	return list
}

// luaEmpty shows empty lists as empty objects, as Kong does: both are an empty table in Lua.
func luaEmpty(shown map[string]any) map[string]any {
	for key, value := range shown {
		if list, ok := value.([]any); ok && len(list) == 0 {
			shown[key] = map[string]any{}
		}
	}
	return shown
}

// Violations is the sentence over the errors of one entity: those of the whole entity first, then the fields by name.
func (t Tree) Violations() string {
	var parts []string
	for _, key := range t.Keys() {
		for _, leaf := range leaves(fmt.Sprint(key), t[key]) {
			part := fmt.Sprint(leaf["message"])
			if field, ok := leaf["field"]; ok {
				part = fmt.Sprintf("%v: %s", field, part)
			}
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	if len(parts) == 1 {
		return "schema violation (" + parts[0] + ")"
	}
	return fmt.Sprintf("%d schema violations (%s)", len(parts), strings.Join(parts, "; "))
}
