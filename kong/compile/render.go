package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// customary is the usual order of kinds; others follow by name.
var customary = []string{
	"services", "routes", "upstreams", "targets", "consumers", "consumer_groups", "consumer_group_consumers", "plugins",
	"keyauth_credentials", "basicauth_credentials", "hmacauth_credentials", "jwt_secrets", "acls", "oauth2_credentials",
	"mtls_auth_credentials", "certificates", "snis", "ca_certificates", "key_sets", "keys", "vaults",
}

// first lists the fields that are written first.
var first = []string{"id", "name", "username", "custom_id", "instance_name", "protocol", "host", "port", "path", "service", "route",
	"consumer", "consumer_group"}

// Form is a way to write a configuration for people and other programs.
type Form uint8

// The forms. Both are read back as the same configuration.
const (
	// FormKong is flat, with references as strings, as Kong reads declarative_config and POST /config (fact F13).
	FormKong Form = iota
	// FormDeck is nested as decK writes it, with references as decK reads them.
	FormDeck
)

// Render writes canonical bytes as YAML, with references by name, and without ids that Kong and the compiler derive again. Compiled again
// it gives the same bytes. It includes secrets. keep chooses entities by kind, in the plural, and id; nil keeps all. ErrForm means that the
// form cannot hold the configuration.
func (c *Compiler) Render(canonical []byte, form Form, keep func(kind, id string) bool) ([]byte, error) {
	h := &renderer{table: c.table, form: form, names: map[string]string{}, derived: map[string]bool{}, byKind: map[string][]*document.Node{}}
	kinds, err := h.read(canonical)
	if err != nil {
		return nil, fmt.Errorf("render snapshot: %w", err)
	}
	h.findNames()
	h.findDerived()
	if keep != nil {
		for kind, entities := range h.byKind {
			h.byKind[kind] = slices.DeleteFunc(entities, func(e *document.Node) bool { return !keep(kind, idOf(e)) })
		}
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return rankOf(a) - rankOf(b) })
	out, asIs := []byte("_format_version: \"3.0\"\n"), snapshot.IsAsIs(canonical)
	switch {
	case form == FormDeck:
		h.nest(kinds)
		if asIs {
			if err := h.deckHashes(); err != nil {
				return nil, err
			}
			out = append(out, "_info:\n  skip_hash_for_basic_auth: true\n"...)
		}
	case asIs:
		out = append(out, "_transform: false\n"...)
	}
	return h.write(out, kinds), nil
}

// read takes the entities of a snapshot and returns their kinds.
func (h *renderer) read(canonical []byte) (kinds []string, err error) {
	var fault error
	err = snapshot.Scan(canonical, func(kind string, line []byte, _ int) {
		doc, f := document.Read("entity.json", line, document.DefaultLimits())
		switch {
		case fault != nil:
		case f != nil:
			fault = fmt.Errorf("entity of %s: %w", kind, f)
		case h.table.Kind(kind) == nil:
			fault = fmt.Errorf("the kind %s is unknown", quote(kind))
		default:
			if h.byKind[kind] == nil {
				kinds = append(kinds, kind)
			}
			h.byKind[kind] = append(h.byKind[kind], doc.Roots[0])
		}
	})
	return kinds, cmp.Or(err, fault)
}

// write appends the kinds that stand at the top level.
func (h *renderer) write(out []byte, kinds []string) []byte {
	last := ""
	for _, kind := range kinds {
		key, entities := h.top(kind)
		if len(entities) == 0 {
			continue
		}
		if key != last { // several kinds share custom_entities
			out = append(append(out, key...), ":\n"...)
		}
		last = key
		for _, e := range entities {
			out = yamlElement(append(out, '-'), e, 0)
		}
	}
	return out
}

func rankOf(kind string) int {
	if i := slices.Index(customary, kind); i >= 0 {
		return i
	}
	if slices.Contains(wrapped, kind) { // together, since decK has them under one key
		return len(customary) + 1
	}
	return len(customary)
}

type renderer struct {
	table   *entity.Table
	form    Form
	byKind  map[string][]*document.Node
	names   map[string]string           // "kind id" to the name for references
	derived map[string]bool             // "kind id" of entities whose id is derived by the reader
	nested  map[string][]child          // "kind id" of a parent to its nested entities
	inside  map[*document.Node]struct{} // all nested entities
}

func idOf(e *document.Node) string {
	if id := e.Get("id"); id != nil {
		return id.Text
	}
	return ""
}

// top returns the entities of a kind at the top level, and their key.
func (h *renderer) top(kind string) (key string, entities []*document.Node) {
	k := h.table.Kind(kind)
	wraps := h.form == FormDeck && slices.Contains(wrapped, kind)
	if key = kind; wraps {
		key = "custom_entities"
	}
	for _, e := range h.byKind[kind] {
		if _, ok := h.inside[e]; ok {
			continue
		}
		written := h.entity(k, e, "")
		if wraps {
			written = wrap(kind, written)
		}
		entities = append(entities, written)
	}
	return key, entities
}

// findNames finds the names to refer by.
func (h *renderer) findNames() {
	for kind, entities := range h.byKind {
		k := h.table.Kind(kind)
		if f := k.Field(k.NameField); f == nil || !f.Unique {
			continue
		}
		for _, e := range entities {
			// A name that looks like an id would be read as one.
			if name := e.Get(k.NameField); name != nil && name.Text != "" && !schema.IsUUID(name.Text) {
				h.names[kind+" "+idOf(e)] = name.Text
			}
		}
	}
}

// findDerived finds the ids that need not be written. It asks the compiler which ids it derives.
func (h *renderer) findDerived() {
	m := &merger{table: h.table, kinds: map[string]*kindIndex{}}
	p := &parser{table: h.table, limits: DefaultLimits(), fragment: &Fragment{Documents: []string{""}}, document: &document.Document{}}
	for _, k := range h.table.Kinds() {
		for _, e := range h.byKind[k.Name] {
			before := len(p.fragment.items)
			p.entity(k, e, nil)
			p.fragment.items = p.fragment.items[:before+1]
		}
	}
	for i := range p.fragment.items {
		m.all = append(m.all, resolved{item: &p.fragment.items[i], fragment: p.fragment})
	}
	m.order()
	m.register()
	m.resolve()
	for _, i := range m.ordered {
		e := &m.all[i]
		given, bare := e.item.id, *e.item
		bare.id = ""
		e.item, e.id = &bare, ""
		if len(e.targets) == len(e.refs) && !slices.Contains(e.targets, -1) {
			m.identify(e, m.index(e.kind.Name))
		}
		h.derived[e.kind.Name+" "+given] = e.id == given
		e.id = given
	}
	// Kong gives entities without a unique field a random id at each load (fact F24), and derives ids of plugins, credentials and targets from
	// how their references are written. Their ids are written. decK derives its own for the latter.
	for i := range m.all {
		if e := &m.all[i]; e.seed != "" || h.form == FormKong && e.kind.IDRule != entity.ByName {
			delete(h.derived, e.kind.Name+" "+e.id)
		}
	}
}

// entity returns an entity as it is written: without its reference to its parent, and with its nested entities.
func (h *renderer) entity(k *entity.Kind, e *document.Node, parent string) *document.Node {
	written := &document.Node{Kind: document.Map}
	for _, key := range e.Keys {
		if key.Name == "id" && h.derived[k.Name+" "+key.Value.Text] || key.Name == parent {
			continue
		}
		f := k.Field(key.Name)
		switch {
		case f != nil && f.Type == entity.Ref && key.Value.Kind == document.Map:
			key.Value = h.reference(k.Name, f, key.Value)
		case f != nil && f.Type == entity.Refs && key.Value.Kind == document.List && h.form == FormDeck:
			list := *key.Value
			list.Items = slices.Clone(list.Items)
			for i, r := range list.Items {
				list.Items[i] = h.named(f.Ref, r)
			}
			key.Value = &list
		}
		written.Keys = append(written.Keys, key)
	}
	rank := func(k document.Key) uint { return uint(slices.Index(first, k.Name)) } // -1 comes last
	slices.SortStableFunc(written.Keys, func(a, b document.Key) int { return cmp.Compare(rank(a), rank(b)) })
	written.Keys = append(written.Keys, h.children(k.Name, idOf(e))...)
	return written
}

// reference returns a reference in the form: by name where there is one, else by id.
func (h *renderer) reference(kind string, f *entity.Field, v *document.Node) *document.Node {
	id := v.Get("id")
	if id == nil {
		return v
	}
	if h.form == FormDeck && deckMap(kind, f.Name) {
		return h.named(f.Ref, v)
	}
	if name, ok := h.names[f.Ref+" "+id.Text]; ok {
		return &document.Node{Kind: document.String, Text: name}
	}
	return &document.Node{Kind: document.String, Text: id.Text}
}

// named returns a reference as a map: by name where there is one, else unchanged.
func (h *renderer) named(kind string, v *document.Node) *document.Node {
	id := v.Get("id")
	if id == nil {
		return v
	}
	name, ok := h.names[kind+" "+id.Text]
	if !ok {
		return v
	}
	n := *v
	n.Keys = []document.Key{{Name: "name", Value: &document.Node{Kind: document.String, Text: name}}}
	n.Keys = append(n.Keys, slices.DeleteFunc(slices.Clone(v.Keys), func(k document.Key) bool { return k.Name == "id" })...)
	return &n
}

// yamlValue writes a value behind "key:" or "-", with the line end.
func yamlValue(out []byte, n *document.Node, indent int) []byte {
	switch {
	case n.Kind == document.Map && len(n.Keys) > 0:
		out = append(out, '\n')
		for _, k := range n.Keys {
			out = append(append(append(out, spaces(indent+2)...), yamlKey(k.Name)...), ':')
			out = yamlValue(out, k.Value, indent+2)
		}
		return out
	case n.Kind == document.List && len(n.Items) > 0:
		out = append(out, '\n')
		for _, e := range n.Items {
			out = append(append(out, spaces(indent)...), '-')
			out = yamlElement(out, e, indent)
		}
		return out
	case n.Kind == document.Map:
		return append(out, " {}\n"...)
	case n.Kind == document.List:
		return append(out, " []\n"...)
	case n.Kind == document.Null:
		return append(out, " null\n"...)
	case n.Kind == document.String:
		return yamlString(append(out, ' '), n.Text, indent)
	}
	return append(append(append(out, ' '), n.Text...), '\n')
}

// yamlElement writes a list's element behind its dash.
func yamlElement(out []byte, n *document.Node, indent int) []byte {
	if n.Kind == document.Map && len(n.Keys) > 0 {
		before := " "
		for _, k := range n.Keys {
			out = append(append(append(out, before...), yamlKey(k.Name)...), ':')
			out, before = yamlValue(out, k.Value, indent+2), spaces(indent+2)
		}
		return out
	}
	return yamlValue(out, n, indent+2)
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// plain reports whether every YAML reader takes the text as that string.
func plain(s string) bool {
	if s == "" || len(s) > 200 || strings.HasSuffix(s, ":") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '/'
		inner := c >= '0' && c <= '9' || c == '-' || c == '.' || c == '+' || c == ':' && i+1 < len(s) && s[i+1] != ' '
		if !letter && (i == 0 || !inner) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		return false
	}
	return true
}

func yamlKey(s string) string {
	if plain(s) && !strings.Contains(s, ":") {
		return s
	}
	return string(document.AppendString(nil, s))
}

// yamlString writes a string: plain where that is safe, as a block when it has lines, else in double quotes.
func yamlString(out []byte, s string, indent int) []byte {
	if plain(s) {
		return append(append(out, s...), '\n')
	}
	if block(s) {
		body, chomp := s, "-"
		if strings.HasSuffix(s, "\n") {
			body, chomp = s[:len(s)-1], ""
		}
		out = append(append(append(out, '|'), chomp...), '\n')
		for line := range strings.SplitSeq(body, "\n") {
			if line != "" {
				out = append(append(out, spaces(indent+2)...), line...)
			}
			out = append(out, '\n')
		}
		return out
	}
	return append(quoteYAML(out, s), '\n')
}

// block reports whether a literal block can hold the text unchanged.
func block(s string) bool {
	if !strings.Contains(s, "\n") || strings.HasSuffix(s, "\n\n") || s[0] == '\n' || s[0] == ' ' || s == "\n" {
		return false
	}
	for line := range strings.SplitSeq(s, "\n") {
		if strings.HasSuffix(line, " ") {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f) })
}

// quoteYAML writes a string in double quotes, and escapes what a YAML reader may refuse or change.
func quoteYAML(out []byte, s string) []byte {
	out = append(out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, string(r)...)
		}
	}
	return append(out, '"')
}
