package check

import (
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/expression"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/problems"
)

// Schemas judges single entities as a gateway does by the schemas that it serves. Kinds are singular.
type Schemas interface {
	Knows(kind string) bool
	HasField(kind, field string) bool
	HasPlugin(name string) bool
	HasVault(name string) bool
	// Check returns what is wrong with an entity; strict is as /schemas/{kind}/validate does (F23).
	Check(kind string, posted map[string]any, strict bool) []Finding
}

// Finding is an error about a field, at its place in Kong's table of errors.
type Finding struct {
	Path    []any
	Message string
	Fatal   bool // gateways answer 500 (F14)
}

// bySchema reports whether the schemas decide about an entity, as far as that is possible without other entities. Otherwise the table of
// kinds and the rules do.
func (s *Checker) bySchema(n *entity.Node) bool {
	if s.Schemas == nil || !s.Schemas.Knows(n.Kind.Singular) {
		return false
	}
	switch n.Kind.Name {
	case "plugins":
		name := n.Text("name")
		return name == "" || s.Schemas.HasPlugin(name) && s.Plugins[name]
	case "vaults":
		name := n.Text("name")
		return name == "" || s.Schemas.HasVault(name)
	case "routes": // usually recorded under the default flavor
		return s.Flavor != expression.Flavor || s.Schemas.HasField("route", "expression")
	}
	return true
}

// checkSchema checks an entity against the schemas. A nested one has its parent in the field that refers to it.
func (s *Checker) checkSchema(n *entity.Node, complain func(string, ...any)) error {
	if n.ParentField != "" && n.Own[n.ParentField] == nil && n.Kind.Name != "plugins" { // whose scopes are not looked at (F21)
		n.Own[n.ParentField] = "the parent"
		defer delete(n.Own, n.ParentField)
	}
	found := s.Schemas.Check(n.Kind.Singular, n.Own, false)
	for _, e := range found {
		if e.Fatal {
			return document.ErrCrash
		}
		complain(e.Message, e.Path...)
	}
	if len(found) > 0 && n.Kind.Name == "snis" && n.ParentField != "" {
		complain("required field missing", n.ParentField) // only these do not know their parent by then
	}
	return nil
}

// codeRules compiles expressions, which schemas do not cover.
func (s *Checker) codeRules(n *entity.Node, complain func(string, ...any)) {
	if source := n.Text("expression"); n.Kind.Name == "routes" && source != "" && s.Flavor == expression.Flavor {
		if _, err := expression.Parse(source); err != nil {
			complain("Router Expression failed validation: "+err.Error(), problems.Whole)
		}
	}
}

// Validate checks one entity as /schemas/{kind}/validate does (F23): without others, and more strictly than in a configuration. It needs
// Schemas that know the kind.
func (s *Checker) Validate(k *entity.Kind, posted map[string]any) problems.Tree {
	n := &entity.Node{Kinds: s.Kinds, Kind: k, Own: posted}
	errs := problems.Tree{}
	complain := func(message string, field ...any) { errs.Put(message, field...) }
	if name := n.Text("name"); k.Name == "plugins" && name != "" && !s.Plugins[name] {
		s.pluginRules(n, complain)
		return errs
	}
	for _, e := range s.Schemas.Check(k.Singular, posted, true) {
		complain(e.Message, e.Path...)
	}
	s.codeRules(n, complain)
	return errs
}
