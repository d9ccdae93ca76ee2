package compile

import (
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
)

// required reports missing fields.
func (p *parser) required(s subject, n *document.Node, keys []document.Key, in *nest) {
	has := func(name string) bool { return in != nil && in.ref == name || view(keys).get(name) != nil }
	given := func(name string) bool { return has(name) || mistyped(s.kind, keys, name) }
	for i := range s.kind.Fields {
		if f := &s.kind.Fields[i]; f.Required && !given(f.Name) {
			p.problem(s, n.Pos, f.Name, MissingField, "the field is required%s", missingRemedy(s.kind.Name, f.Name))
		}
	}
	if len(s.kind.OneOf) > 0 && !slices.ContainsFunc(s.kind.OneOf, given) {
		p.problem(s, n.Pos, "", MissingField, "at least one of %s is required", strings.Join(s.kind.OneOf, ", "))
	}
	for _, name := range s.kind.Invents {
		if !given(name) && invented(s.kind.Name, name, keys) {
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

// invented reports whether a gateway would fill in a random secret that matters.
func invented(kind, field string, keys view) bool {
	switch {
	case kind == "jwt_secrets" && field == "secret":
		return keys.text("algorithm") == "" || strings.HasPrefix(keys.text("algorithm"), "HS")
	case kind == "oauth2_credentials" && field == "client_secret":
		return keys.text("client_type") != "public"
	}
	return true
}
