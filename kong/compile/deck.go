package compile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
)

// ErrForm says that a form has no way to write a configuration; its text names the remedy.
var ErrForm = errors.New("cannot be written in this form")

// child is an entity that is nested in another under a key, without the reference to it.
type child struct {
	key  string
	kind *entity.Kind
	node *document.Node
	ref  string
}

// nest decides what is nested in which entity, as decK reads it: in the parent that it has to have, or in the only one that it refers to,
// if that is written too.
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

// deckGroupPlugin are the fields of a plugin that decK reads within a consumer group; with others it stands at the top level.
var deckGroupPlugin = []string{"id", "name", "instance_name", "config", "tags", "partials", "created_at", "consumer_group"}

// parent returns the entity that decK has an entity nested in, as "kind id", under which key, and the field that refers to it. It is empty
// for what stands at the top level: what has no parent, plugins of several, and kinds that decK reads only there.
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
		case under == "" && k.Name != "plugins": // a reference beside, such as a route's certificate
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

// key is where entities of a kind are nested in one of another; empty is nowhere.
func (h *renderer) key(parent, kind, ref string) string {
	for _, c := range h.table.Kind(parent).Children {
		if c.Kind == kind && c.Ref == ref {
			return c.Key
		}
	}
	return ""
}

// children writes what is nested in an entity, by key.
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

// deckHashes refuses hashes that decK would have hashed once more: it has a word for those of basic-auth alone.
func (h *renderer) deckHashes() error {
	for _, e := range h.byKind["oauth2_credentials"] {
		if hash := e.Get("hash_secret"); hash != nil && hash.Text == "true" {
			return fmt.Errorf("%w: decK has no way to say that secrets of oauth2_credentials are hashed already; write it in Kong's form", ErrForm)
		}
	}
	return nil
}

// wrapped are the kinds that decK reads as custom_entities.
var wrapped = []string{"degraphql_routes", "graphql_ratelimiting_cost_decorations"}

// wrap writes an entity as decK's custom_entities have it.
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
