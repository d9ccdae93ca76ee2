package compile

import (
	"slices"

	"github.com/silverback-gateway/silverback/kong/document"
)

// prepare returns the members of an entity with shorthands expanded, defaults
// filled in and select tags added.
func (p *parser) prepare(s subject, n *document.Node) []document.Key {
	keys := n.Keys
	kind := s.kind
	if kind.Name == "services" {
		keys = p.serviceURL(s, n, keys)
	}
	if kind.Name == "plugins" && n.Get("_config") != nil {
		keys = p.sharedConfig(s, n, keys)
	}
	if d := p.header.defaults[kind.Singular]; d != nil {
		keys = overlay(keys, d.Keys)
	}
	if kind.Name == "services" {
		keys = overlay(keys, usual(n))
	}
	if len(p.header.tags) > 0 {
		keys = p.addTags(keys, n)
	}
	return document.Sorted(keys)
}

// usual returns Kong's default protocol and port. They are written out, so that a url and a host give the same entity.
func usual(n *document.Node) []document.Key {
	return []document.Key{
		{Name: "protocol", Pos: n.Pos, Value: &document.Node{Kind: document.String, Text: "http", Pos: n.Pos}},
		{Name: "port", Pos: n.Pos, Value: &document.Node{Kind: document.Int, Text: "80", Pos: n.Pos}},
	}
}

// overlay adds defaults that are missing, also within maps.
func overlay(keys, defaults []document.Key) []document.Key {
	keys = slices.Clone(keys)
	for _, d := range defaults {
		i := slices.IndexFunc(keys, func(k document.Key) bool { return k.Name == d.Name })
		switch {
		case i < 0:
			keys = append(keys, d)
		case keys[i].Value.Kind == document.Map && d.Value.Kind == document.Map:
			v := *keys[i].Value
			v.Keys = overlay(v.Keys, d.Value.Keys)
			keys[i].Value = &v
		}
	}
	return keys
}

func (p *parser) addTags(keys []document.Key, n *document.Node) []document.Key {
	keys = slices.Clone(keys)
	i := slices.IndexFunc(keys, func(k document.Key) bool { return k.Name == "tags" })
	if i < 0 || keys[i].Value.Kind == document.Null {
		if i >= 0 {
			keys = slices.Delete(keys, i, i+1)
		}
		keys = append(keys, document.Key{Name: "tags", Pos: n.Pos, Value: &document.Node{Kind: document.List, Pos: n.Pos}})
		i = len(keys) - 1
	}
	if keys[i].Value.Kind != document.List {
		return keys
	}
	all := *keys[i].Value
	all.Items = slices.Clone(all.Items)
	for _, tag := range p.header.tags {
		if !slices.ContainsFunc(all.Items, func(t *document.Node) bool { return t.Kind == document.String && t.Text == tag }) {
			all.Items = append(all.Items, &document.Node{Kind: document.String, Text: tag, Pos: n.Pos})
		}
	}
	keys[i].Value = &all
	return keys
}

// sharedConfig puts a plugin's config over the shared one that _config names.
func (p *parser) sharedConfig(s subject, n *document.Node, keys []document.Key) []document.Key {
	name := n.Get("_config")
	keys = slices.DeleteFunc(slices.Clone(keys), func(k document.Key) bool { return k.Name == "_config" })
	if name.Kind != document.String {
		p.wrongType(s, name, "_config", "a string")
		return keys
	}
	shared := p.header.configs[name.Text]
	if shared == nil {
		var names []string
		for have := range p.header.configs {
			names = append(names, have)
		}
		slices.Sort(names)
		p.problem(s, name.Pos, "_config", DanglingReference, "_plugin_configs has no %s%s", quote(name.Text), didYouMean(name.Text, names))
		return keys
	}
	return overlay(keys, []document.Key{{Name: "config", Pos: name.Pos, Value: shared}})
}
