package kongtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// tree is Kong's nested table of errors. Keys are field names or 1-based
// positions; leaves are messages, under "@entity" lists of them.
type tree map[any]any

// put adds a message at a path. A later message at the same place wins, as it
// does in Kong, except for messages about a whole entity, which add up.
func (t tree) put(message string, path ...any) {
	for _, key := range path[:len(path)-1] {
		next, ok := t[key].(tree)
		if !ok {
			next = tree{}
			t[key] = next
		}
		t = next
	}
	last := path[len(path)-1]
	if last == "@entity" {
		list, _ := t[last].([]any)
		t[last] = append(list, message)
		return
	}
	t[last] = message
}

// keys returns the keys in a stable order: positions first, then names.
func (t tree) keys() []any {
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

func (t tree) isList() bool {
	for key := range t {
		if _, ok := key.(int); !ok {
			return false
		}
	}
	return len(t) > 0
}

// plain returns what Kong's JSON encoder makes of the table: one with
// positions only becomes an array with null holes.
func (t tree) plain() any {
	if !t.isList() {
		object := map[string]any{}
		for key, value := range t {
			object[fmt.Sprint(key)] = plainValue(value)
		}
		return object
	}
	var list []any
	for _, key := range t.keys() {
		for len(list) < key.(int)-1 {
			list = append(list, nil)
		}
		list = append(list, plainValue(t[key]))
	}
	return list
}

func plainValue(value any) any {
	if sub, ok := value.(tree); ok {
		return sub.plain()
	}
	return value
}

// lua writes the table as the message of a refusal repeats it.
func (t tree) lua() string {
	var out strings.Builder
	writeLua(&out, t)
	return out.String()
}

func writeLua(out *strings.Builder, value any) {
	switch value := value.(type) {
	case tree:
		out.WriteByte('{')
		next := 1
		for i, key := range value.keys() {
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

// refusal is the body of a 400 about a configuration that could be parsed.
func refusal(errs tree, flatten bool, roots map[string][]*node, expanded bool) map[string]any {
	answer := map[string]any{"code": 14, "name": "invalid declarative configuration"}
	if flatten {
		flat := flattener{expanded: expanded}
		errs = flat.run(errs, roots)
		answer["flattened_errors"] = map[string]any{}
		if len(flat.found) > 0 {
			answer["flattened_errors"] = flat.found
		}
	}
	answer["fields"] = errs.plain()
	answer["message"] = "declarative config is invalid: " + errs.lua()
	return answer
}

// unparsed is the body of a 400 about a text that is no document.
func unparsed(message string) map[string]any {
	errs := tree{"error": "failed parsing declarative configuration: " + message}
	return refusal(errs, false, nil, false)
}

// flattener moves the errors of entities out of the table of fields, as
// flatten_errors asks. Expanded says that ids and parents are known by now and
// show in the entities.
type flattener struct {
	expanded bool
	found    []map[string]any
}

// run returns the errors that stay behind.
func (f *flattener) run(errs tree, roots map[string][]*node) tree {
	rest := tree{}
	for _, key := range errs.keys() {
		name, _ := key.(string)
		below, isTree := errs[key].(tree)
		nodes, isKind := roots[name]
		if !isTree || !isKind {
			rest[key] = errs[key]
			continue
		}
		for _, position := range below.keys() {
			i, ok := position.(int)
			if !ok {
				continue // Kong loses errors that it filed under a name rather than a position.
			}
			if i > len(nodes) {
				rest.put(fmt.Sprint(below[position]), key, position)
				continue
			}
			f.entity(nodes[i-1], below[position])
		}
	}
	return rest
}

func (f *flattener) entity(n *node, errs any) {
	shown := n.shown(f.expanded)
	var list []map[string]any
	if message, ok := errs.(string); ok {
		list = append(list, map[string]any{"type": "entity", "message": message})
	}
	below, _ := errs.(tree)
	for _, key := range below.keys() {
		name, _ := key.(string)
		if children, ok := n.children[name]; ok {
			if nested, ok := below[key].(tree); ok && nested.isList() {
				for _, position := range nested.keys() {
					if i := position.(int); i <= len(children) {
						f.entity(children[i-1], nested[position])
					}
				}
				continue
			}
		}
		if ref, ok := shown[name].(map[string]any); ok && n.kind.fields[name].ref != "" {
			delete(shown, name)
			made := &node{kind: n.kinds.byName[n.kind.fields[name].ref], kinds: n.kinds, own: ref}
			f.entity(made, below[key])
			continue
		}
		list = append(list, leaves(name, below[key])...)
	}
	if len(list) == 0 {
		return
	}
	entry := map[string]any{"entity": luaEmpty(shown), "entity_type": n.kind.singular, "errors": list}
	if name, ok := shown["name"].(string); ok {
		entry["entity_name"] = name
	}
	if id, ok := shown["id"].(string); ok && isUUID(id) {
		entry["entity_id"] = id
	}
	if tags, ok := shown["tags"].([]any); ok {
		if !slices.ContainsFunc(tags, func(tag any) bool { _, ok := tag.(string); return !ok }) {
			entry["entity_tags"] = tags
		}
	}
	f.found = append(f.found, entry)
}

func leaves(path string, value any) []map[string]any {
	if path == "@entity" {
		var list []map[string]any
		for _, message := range value.([]any) {
			list = append(list, map[string]any{"type": "entity", "message": message})
		}
		return list
	}
	below, ok := value.(tree)
	if !ok {
		return []map[string]any{{"type": "field", "field": path, "message": value}}
	}
	var list []map[string]any
	for _, key := range below.keys() {
		step := fmt.Sprint(key)
		if i, ok := key.(int); ok {
			step = strconv.Itoa(i)
		}
		if step == "@entity" {
			list = append(list, leaves(step, below[key])...)
			continue
		}
		list = append(list, leaves(path+"."+step, below[key])...)
	}
	return list
}

// luaEmpty shows empty lists as Kong does: to Lua an empty list is an empty table.
func luaEmpty(entity map[string]any) map[string]any {
	for key, value := range entity {
		if list, ok := value.([]any); ok && len(list) == 0 {
			entity[key] = map[string]any{}
		}
	}
	return entity
}
