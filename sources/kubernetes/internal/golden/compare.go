// Package golden compares a configuration with one that Kong Ingress Controller made, at three levels.
package golden

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Level is how equal two configurations are.
type Level int

// The levels, each of which has those before it.
const (
	Different Level = iota
	Routing         // the same requests go to the same targets through the same plugins
	Content         // and entities have the same names and fields
	Strict          // and the same ids, tags and order of values
	Text            // and every byte
)

// Compare says at which level two texts of configurations are equal.
func Compare(got, want []byte) (Level, error) {
	if string(got) == string(want) {
		return Text, nil
	}
	for _, level := range []struct {
		Level
		normal func(tree) tree
	}{{Strict, strict}, {Content, content}, {Routing, routing}} {
		var trees [2]tree
		for i, text := range [][]byte{got, want} {
			var t tree
			if err := yaml.Unmarshal(text, &t); err != nil {
				return Different, err
			}
			trees[i] = level.normal(t)
		}
		if reflect.DeepEqual(trees[0], trees[1]) {
			return level.Level, nil
		}
	}
	return Different, nil
}

// tree is an object of JSON.
type tree = map[string]any

// entities are the lists of a configuration, and those that are nested in their elements.
var entities = map[string]bool{
	"services": true, "routes": true, "upstreams": true, "targets": true, "plugins": true, "consumers": true, "consumer_groups": true,
	"certificates": true, "snis": true, "ca_certificates": true, "vaults": true, "consumer_group_consumers": true,
	"keyauth_credentials": true, "basicauth_credentials": true, "hmacauth_credentials": true, "jwt_secrets": true, "acls": true,
	"oauth2_credentials": true, "mtls_auth_credentials": true, "degraphql_routes": true,
}

// strict sorts the lists of entities and leaves everything else as it is.
func strict(t tree) tree { return visit(t, func(string, tree) {}, false) }

// content forgets ids, tags and the order of values, and fills in Kong's defaults.
func content(t tree) tree {
	names := map[string]any{}
	index(t, names)
	return visit(t, func(kind string, e tree) {
		resolve(e, names)
		delete(e, "id")
		delete(e, "tags")
		for field, value := range defaults[kind] {
			if e[field] == nil {
				e[field] = value
			}
		}
	}, true)
}

// routing forgets also what generated entities are called: a plugin follows what it is attached to, a service its upstream.
func routing(t tree) tree {
	t = content(t)
	upstreams := byName(t["upstreams"])
	delete(t, "upstreams")
	services, routes := byName(t["services"]), map[string]tree{}
	for _, s := range services {
		for _, r := range byName(s["routes"]) {
			routes[fmt.Sprint(r["name"])] = r
		}
	}
	var rest []any
	for _, p := range listOf(t["plugins"]) {
		p := p.(tree)
		var to tree
		if name, ok := p["route"].(string); ok {
			to = routes[name]
			delete(p, "route")
		} else if name, ok := p["service"].(string); ok {
			to = services[name]
			delete(p, "service")
		}
		if to == nil {
			rest = append(rest, p)
			continue
		}
		to["plugins"] = append(listOf(to["plugins"]), p)
	}
	t["plugins"] = rest
	for _, s := range services {
		if u, ok := upstreams[fmt.Sprint(s["host"])]; ok {
			delete(u, "name")
			s["host"] = u
		}
		delete(s, "name")
		for _, r := range listOf(s["routes"]) {
			delete(r.(tree), "name")
		}
	}
	return visit(t, func(string, tree) {}, true)
}

func listOf(v any) []any {
	l, _ := v.([]any)
	return l
}

func byName(list any) map[string]tree {
	found := map[string]tree{}
	for _, e := range listOf(list) {
		e := e.(tree)
		found[fmt.Sprint(e["name"])] = e
	}
	return found
}

// index maps ids to names.
func index(t tree, names map[string]any) {
	for field, value := range t {
		if !entities[field] {
			continue
		}
		for _, e := range listOf(value) {
			e, ok := e.(tree)
			if !ok {
				continue
			}
			if id, ok := e["id"].(string); ok {
				names[id] = cmp.Or(e["name"], e["username"], e["prefix"], e["cert"])
			}
			index(e, names)
		}
	}
}

// resolve replaces references by id with names.
func resolve(e tree, names map[string]any) {
	for field, value := range e {
		if inner, ok := value.(tree); ok && len(inner) == 1 {
			value = inner["id"]
		}
		if id, ok := value.(string); ok && field != "id" && names[id] != nil {
			e[field] = names[id]
		}
	}
}

// defaults are Kong's for fields that one side can leave out.
var defaults = map[string]tree{
	"services": {"retries": 5.0, "protocol": "http", "port": 80.0, "enabled": true,
		"connect_timeout": 60000.0, "read_timeout": 60000.0, "write_timeout": 60000.0},
	"routes": {"protocols": []any{"http", "https"}, "https_redirect_status_code": 426.0, "strip_path": true, "preserve_host": false,
		"request_buffering": true, "response_buffering": true, "path_handling": "v0", "regex_priority": 0.0},
	"upstreams": {"algorithm": "round-robin", "slots": 10000.0, "hash_on": "none", "hash_fallback": "none", "hash_on_cookie_path": "/"},
	"targets":   {"weight": 100.0},
	"plugins":   {"enabled": true, "protocols": []any{"grpc", "grpcs", "http", "https"}},
}

// visit shows every entity to see, inner ones first, drops nulls, and sorts lists of entities; lists of values too, if values.
func visit(t tree, see func(kind string, e tree), values bool) tree {
	for field, value := range t {
		list, ok := value.([]any)
		if value == nil || ok && len(list) == 0 {
			delete(t, field)
			continue
		}
		if !ok || field == "tags" && !values {
			continue
		}
		nested := entities[field]
		for _, e := range list {
			if e, ok := e.(tree); ok && nested {
				visit(e, see, values)
				see(field, e)
				visit(e, func(string, tree) {}, values)
			}
		}
		if nested || values {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		}
	}
	return t
}

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(out)
}

// Fields lists what differs at the level of content, for people.
func Fields(got, want []byte) []string {
	var g, w tree
	if yaml.Unmarshal(got, &g) != nil || yaml.Unmarshal(want, &w) != nil {
		return []string{"not YAML"}
	}
	var found []string
	differ("", any(content(g)), any(content(w)), &found)
	return found
}

func differ(at string, got, want any, found *[]string) {
	if reflect.DeepEqual(got, want) {
		return
	}
	g, gok := got.(tree)
	w, wok := want.(tree)
	if gok && wok {
		for _, field := range slices.Sorted(maps.Keys(merge(g, w))) {
			differ(at+"."+field, g[field], w[field], found)
		}
		return
	}
	gl, gok := got.([]any)
	wl, wok := want.([]any)
	if gok && wok && len(gl) == len(wl) {
		for i := range gl {
			differ(fmt.Sprintf("%s[%d]", at, i), gl[i], wl[i], found)
		}
		return
	}
	*found = append(*found, fmt.Sprintf("%s: got %s, want %s", at, text(got), text(want)))
}

func merge(a, b tree) tree {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
