package compile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
)

// ErrForm means that a form cannot express a configuration. Its text names the remedy.
var ErrForm = errors.New("cannot be written in this form")

// child is an entity nested in another, without its reference to the parent.
type child struct {
	key  string
	kind *entity.Kind
	node *document.Node
	ref  string
}

// nest decides which entities decK nests: in their required parent, or in the only entity they refer to, if that is written too.
func (h *renderer) nest(kinds []string) {
	h.nested, h.inside = map[string][]child{}, map[*document.Node]struct{}{}
	there := map[string]bool{}
	for kind, entities := range h.byKind {
		for _, e := range entities {
			there[kind+" "+idOf(e)] = true
		}
	}
	for _, kind := range kinds {
		k := h.table.Kind(kind)
		for _, e := range h.byKind[kind] {
			parent, key, ref := h.parent(k, e)
			if parent == "" || !there[parent] {
				continue
			}
			h.nested[parent] = append(h.nested[parent], child{key: key, kind: k, node: e, ref: ref})
			h.inside[e] = struct{}{}
		}
	}
}

// deckGroupPlugin lists the fields that decK reads of a plugin within a consumer group. Plugins with others stand at the top level.
var deckGroupPlugin = []string{"id", "name", "instance_name", "config", "tags", "partials", "created_at", "consumer_group"}

// parent returns the parent of an entity in decK as "kind id", the key in it, and the field that refers to it. It is empty for entities at
// the top level: those without a parent, plugins with several, and kinds that decK reads only there.
func (h *renderer) parent(k *entity.Kind, e *document.Node) (parent, key, ref string) {
	switch k.Name {
	case "keys", "degraphql_routes":
		return "", "", ""
	case "consumer_group_consumers":
		consumer := e.Get("consumer")
		if consumer == nil || !h.derived[k.Name+" "+idOf(e)] || len(e.Keys) > len([]string{"id", "consumer", "consumer_group"}) {
			return "", "", ""
		}
		return "consumers " + idOf(consumer), "groups", "consumer"
	}
	for _, f := range k.Fields {
		v := e.Get(f.Name)
		if f.Type != entity.Ref || v == nil || v.Kind != document.Map {
			continue
		}
		under := h.key(f.Ref, k.Name, f.Name)
		switch {
		case under == "" && k.Name != "plugins": // not a parent, such as a route's certificate
			continue
		case under == "" || parent != "":
			return "", "", ""
		}
		parent, key, ref = f.Ref+" "+idOf(v), under, f.Name
	}
	if ref == "consumer_group" && slices.ContainsFunc(e.Keys, func(key document.Key) bool {
		return !slices.Contains(deckGroupPlugin, key.Name)
	}) {
		return "", "", ""
	}
	return parent, key, ref
}

// key returns the key under which a parent holds entities of a kind; empty means none.
func (h *renderer) key(parent, kind, ref string) string {
	for _, c := range h.table.Kind(parent).Children {
		if c.Kind == kind && c.Ref == ref {
			return c.Key
		}
	}
	return ""
}

// children returns the nested entities of an entity, by key.
func (h *renderer) children(kind, id string) (keys []document.Key) {
	for _, c := range h.nested[kind+" "+id] {
		written := h.entity(c.kind, c.node, c.ref)
		if c.kind.Name == "consumer_group_consumers" {
			written = h.named("consumer_groups", c.node.Get("consumer_group"))
		}
		i := slices.IndexFunc(keys, func(k document.Key) bool { return k.Name == c.key })
		if i < 0 {
			i = len(keys)
			keys = append(keys, document.Key{Name: c.key, Value: &document.Node{Kind: document.List}})
		}
		keys[i].Value.Items = append(keys[i].Value.Items, written)
	}
	return keys
}

// deckMap reports whether decK reads a reference as a map with a name or an id; the others it reads as a string.
func deckMap(kind, field string) bool {
	switch kind {
	case "plugins", "filter_chains":
		return false
	}
	return kind != "services" || field != "client_certificate"
}

// deckHashes refuses hashed secrets that decK would hash again. decK can only skip the hashing of basic-auth.
func (h *renderer) deckHashes() error {
	for _, e := range h.byKind["oauth2_credentials"] {
		if hash := e.Get("hash_secret"); hash != nil && hash.Text == "true" {
			return fmt.Errorf("%w: decK has no way to say that secrets of oauth2_credentials are hashed already; write it in Kong's form", ErrForm)
		}
	}
	return nil
}

// wrapped lists the kinds that decK reads as custom_entities.
var wrapped = []string{"degraphql_routes", "graphql_ratelimiting_cost_decorations"}

// wrap returns an entity in the form of custom_entities.
func wrap(kind string, e *document.Node) *document.Node {
	w := &document.Node{Kind: document.Map, Keys: []document.Key{{Name: "type", Value: &document.Node{Kind: document.String, Text: kind}}}}
	fields := &document.Node{Kind: document.Map}
	for _, k := range e.Keys {
		if k.Name == "id" {
			w.Keys = append(w.Keys, k)
		} else {
			fields.Keys = append(fields.Keys, k)
		}
	}
	w.Keys = append(w.Keys, document.Key{Name: "fields", Value: fields})
	return w
}
