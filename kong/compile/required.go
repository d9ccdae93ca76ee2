package compile

import (
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
)

// required tells which fields are missing.
func (p *parser) required(s subject, n *document.Node, keys []document.Key, in *nest) {
	has := func(name string) bool {
		return in != nil && in.ref == name || slices.ContainsFunc(keys, func(k document.Key) bool {
			return k.Name == name && k.Value.Kind != document.Null
		})
	}
	for i := range s.kind.Fields {
		if f := &s.kind.Fields[i]; f.Required && !has(f.Name) && !mistyped(s.kind, keys, f.Name) {
			p.problem(s, n.Pos, f.Name, MissingField, "the field is required%s", missingRemedy(s.kind.Name, f.Name))
		}
	}
	if len(s.kind.OneOf) > 0 && !slices.ContainsFunc(s.kind.OneOf, func(name string) bool {
		return has(name) ||
			mistyped(s.kind, keys, name)
	}) {
		p.problem(s, n.Pos, "", MissingField, "at least one of %s is required", strings.Join(s.kind.OneOf, ", "))
	}
	for _, name := range s.kind.Invents {
		if !has(name) && !mistyped(s.kind, keys, name) && p.invented(s.kind.Name, name, keys) {
			p.problem(s, n.Pos, name, MissingField, "the field is required: a gateway would invent another secret at each load; write it down")
		}
	}
}

func missingRemedy(kind, field string) string {
	if kind == "services" && field == "host" {
		return "; give a host or a url"
	}
	return ""
}

// invented is true when the gateway would fill that secret at random and it matters.
func (p *parser) invented(kind, field string, keys []document.Key) bool {
	text := func(name string) string {
		for _, k := range keys {
			if k.Name == name {
				return k.Value.Text
			}
		}
		return ""
	}
	switch {
	case kind == "jwt_secrets" && field == "secret":
		return text("algorithm") == "" || strings.HasPrefix(text("algorithm"), "HS")
	case kind == "oauth2_credentials" && field == "client_secret":
		return text("client_type") != "public"
	}
	return true
}
