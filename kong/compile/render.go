package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// customary is the order in which people expect the kinds; others follow by name.
var customary = []string{
	"services", "routes", "upstreams", "targets", "consumers", "consumer_groups", "consumer_group_consumers", "plugins",
	"keyauth_credentials", "basicauth_credentials", "hmacauth_credentials", "jwt_secrets", "acls", "oauth2_credentials",
	"mtls_auth_credentials", "certificates", "snis", "ca_certificates", "key_sets", "keys", "vaults",
}

// first are the fields that people look for first.
var first = []string{"id", "name", "username", "custom_id", "instance_name", "protocol", "host", "port", "path", "service", "route",
	"consumer", "consumer_group"}

// Form is a way to write a configuration for people and other programs.
type Form uint8

// The forms. Both are read back as the same configuration.
const (
	// FormKong is flat, with references as strings: what Kong reads as its declarative_config and by POST /config (fact F13).
	FormKong Form = iota
	// FormDeck is nested as decK writes it, with references as decK reads them.
	FormDeck
)

// Render writes canonical bytes as YAML: references by name, ids left out where Kong and the compiler derive them again, kinds in their
// customary order. Keep chooses what is written, by kind in the plural and id; nil is everything, and what is not written may still be
// referred to. Compiled again it gives the same canonical bytes. Secrets are in it, as in the snapshot. ErrForm is a configuration that
// the form cannot hold.
func (c *Compiler) Render(canonical []byte, form Form, keep func(kind, id string) bool) ([]byte, error) {
	h := &renderer{table: c.table, form: form, names: map[string]string{}, byKind: map[string][]*document.Node{}}
	var kinds []string
	var fault error
	err := snapshot.Scan(canonical, func(kind string, line []byte, _ int) {
		doc, f := document.Read("entity.json", line, document.DefaultLimits())
		if f != nil {
			if fault == nil {
				fault = fmt.Errorf("entity of %s: %w", kind, f)
			}
			return
		}
		if h.byKind[kind] == nil {
			kinds = append(kinds, kind)
		}
		h.byKind[kind] = append(h.byKind[kind], doc.Roots[0])
	})
	if err == nil {
		err = fault
	}
	if err != nil {
		return nil, fmt.Errorf("render snapshot: %w", err)
	}
	for _, kind := range kinds {
		if c.table.Kind(kind) == nil {
			return nil, fmt.Errorf("render snapshot: the kind %s is unknown", quote(kind))
		}
	}
	h.collect()
	if keep != nil {
		for kind, entities := range h.byKind {
			h.byKind[kind] = slices.DeleteFunc(entities, func(e *document.Node) bool { return !keep(kind, idOf(e)) })
		}
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return rankOf(a) - rankOf(b) })
	out := []byte("_format_version: \"3.0\"\n")
	if form == FormDeck {
		h.nest(kinds)
		if snapshot.IsAsIs(canonical) {
			if err := h.deckHashes(); err != nil {
				return nil, err
			}
			out = append(out, "_info:\n  skip_hash_for_basic_auth: true\n"...)
		}
	} else if snapshot.IsAsIs(canonical) {
		out = append(out, "_transform: false\n"...)
	}
	last := ""
	for _, kind := range kinds {
		if key, entities := h.top(kind); len(entities) > 0 {
			if key != last { // those in custom_entities come one after the other
				out = append(append(out, key...), ":\n"...)
			}
			last = key
			for _, e := range entities {
				out = yamlElement(append(out, '-'), e, 0)
			}
		}
	}
	return out, nil
}

func rankOf(kind string) int {
	if i := slices.Index(customary, kind); i >= 0 {
		return i
	}
	if slices.Contains(wrapped, kind) { // one after the other, for decK has them under one key
		return len(customary) + 1
	}
	return len(customary)
}

type renderer struct {
	table   *entity.Table
	form    Form
	byKind  map[string][]*document.Node
	names   map[string]string           // "kind id" to the name to refer by; absent when there is none
	derived map[string]bool             // "kind id" of entities whose id is derived again, by whoever reads the form
	nested  map[string][]child          // "kind id" of a parent to what is nested in it
	inside  map[*document.Node]struct{} // what is nested somewhere
}

func idOf(e *document.Node) string {
	if id := e.Get("id"); id != nil {
		return id.Text
	}
	return ""
}

// top writes the entities of a kind that stand at the top level, and says under which key.
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

// collect finds the names to refer by, and which ids can be left out: those that
// the compiler gives again when no id is written. It asks the compiler itself.
func (h *renderer) collect() {
	byKind := h.byKind
	h.derived = map[string]bool{}
	for kind, entities := range byKind {
		k := h.table.Kind(kind)
		if k == nil || k.NameField == "" {
			continue
		}
		f := k.Field(k.NameField)
		if f == nil || !f.Unique {
			continue
		}
		for _, e := range entities {
			name := e.Get(k.NameField)
			// What looks like an id would be taken for one.
			if name != nil && name.Text != "" && entity.UUID(name.Text) != "" {
				h.names[kind+" "+e.Get("id").Text] = name.Text
			}
		}
	}
	m := &merger{table: h.table, kinds: map[string]*kindIndex{}}
	p := &parser{table: h.table, limits: DefaultLimits(), fragment: &Fragment{Documents: []string{""}}, document: &document.Document{}}
	for _, k := range h.table.Kinds() {
		for _, e := range byKind[k.Name] {
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
		given := e.item.id
		bare := *e.item
		bare.id = ""
		e.item = &bare
		e.id = ""
		if len(e.targets) == len(e.refs) && !slices.Contains(e.targets, -1) {
			m.identify(e, m.index(e.kind.Name))
		}
		h.derived[e.kind.Name+" "+given] = e.id == given
		e.id = given
	}
	// Kong gives random ids to what has no unique field, at each load anew (fact F24), and derives those of plugins, credentials and targets
	// from how their references are written: these keep theirs in writing. decK gives the latter ids of its own.
	for i := range m.all {
		if e := &m.all[i]; e.seed != "" || h.form == FormKong && e.kind.IDRule != entity.ByName {
			delete(h.derived, e.kind.Name+" "+e.id)
		}
	}
}

// entity returns an entity as it is written, without its reference to the parent that it is nested in, and with what is nested in it.
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
	rank := func(name string) int {
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortStableFunc(written.Keys, func(a, b document.Key) int { return rank(a.Name) - rank(b.Name) })
	written.Keys = append(written.Keys, h.children(k.Name, idOf(e))...)
	return written
}

// reference writes a reference as the form has it: by name where there is one, else by id.
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

// named returns a map that refers by name where there is one, else by id, as it was.
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
	for _, k := range v.Keys {
		if k.Name != "id" {
			n.Keys = append(n.Keys, k)
		}
	}
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
		for i, k := range n.Keys {
			if i > 0 {
				out = append(out, spaces(indent+2)...)
			} else {
				out = append(out, ' ')
			}
			out = append(append(out, yamlKey(k.Name)...), ':')
			out = yamlValue(out, k.Value, indent+2)
		}
		return out
	}
	return yamlValue(out, n, indent+2)
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// plain is true for text that every YAML reader takes for that very string.
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

// yamlString writes a string: plain where nobody can misread it, as a block when
// it has lines, else in double quotes.
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

// block is true for text that reads best, and unchanged, as a literal block.
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

// quoteYAML writes a string in double quotes, with escapes for whatever a YAML
// reader may refuse or change.
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
