package kongtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// LoadSchemas reads what a gateway served under /schemas from a directory: files
// named after entity kinds in entities/, after plugins in plugins/ and after
// vaults in vaults/. Each of the three may be missing.
func LoadSchemas(dir string) (*schema.Bundle, error) {
	texts := schema.Texts{KongVersion: KongVersion}
	for folder, into := range map[string]*map[string]json.RawMessage{
		"entities": &texts.Entities, "plugins": &texts.Plugins, "vaults": &texts.Vaults,
	} {
		files, err := filepath.Glob(filepath.Join(dir, folder, "*.json"))
		if err != nil {
			return nil, err
		}
		*into = map[string]json.RawMessage{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			(*into)[strings.TrimSuffix(filepath.Base(file), ".json")] = text
		}
	}
	bundle, err := schema.New(texts)
	if err != nil {
		return nil, fmt.Errorf("read schemas from %s: %w", dir, err)
	}
	return bundle, nil
}

// judged reports whether the schemas say all about an entity that can be said
// without looking at others. Otherwise the table of kinds does.
func (s *structure) judged(n *node) bool {
	if s.schemas == nil || !s.schemas.Knows(n.kind.singular) {
		return false
	}
	switch n.kind.name {
	case "plugins":
		name := n.text("name")
		return name == "" || s.schemas.HasPlugin(name) && s.plugins[name]
	case "vaults":
		name := n.text("name")
		return name == "" || s.schemas.HasVault(name)
	case "routes": // recorded under the default flavor, as a rule
		return s.flavor != flavorExpressions || s.schemas.HasField("route", "expression")
	}
	return true
}

// judge checks an entity against the schemas. What is nested has its parent for
// the field that refers to it.
// What gateways answer 500 to is errCrash (F14).
func (s *structure) judge(n *node, complain func(string, ...any)) error {
	if n.parentField != "" && n.own[n.parentField] == nil && n.kind.name != "plugins" { // of which scopes are not looked at (F21)
		n.own[n.parentField] = "the parent"
		defer delete(n.own, n.parentField)
	}
	found := own(s.schemas.Check(context.Background(), schema.NewBudget(math.MaxInt64), n.kind.singular, n.own))
	for _, e := range found {
		if e.Fatal {
			return errCrash
		}
		complain(e.Message, place(e)...)
	}
	if len(found) > 0 && n.kind.name == "snis" && n.parentField != "" {
		complain("required field missing", n.parentField) // only these do not know their parent by then
	}
	return nil
}

// own is what a gateway finds by its own schemas, for which it takes all the time that they need.
func own(found []schema.FieldError, err error) []schema.FieldError {
	if err != nil {
		panic(err) // there was neither an end nor a budget
	}
	return found
}

// codeRules compiles expressions, which no schema can judge.
func (s *structure) codeRules(n *node, complain func(string, ...any)) {
	if expression := n.text("expression"); n.kind.name == "routes" && expression != "" && s.flavor == flavorExpressions {
		if _, err := parseExpression(expression); err != nil {
			complain("Router Expression failed validation: "+err.Error(), "@entity")
		}
	}
}

// place is where Kong's table of errors has an error.
func place(e schema.FieldError) []any {
	var steps []any
	for _, s := range e.Path {
		switch {
		case s.Key: // Kong files what is wrong in a map under the map
		case s.Name == "":
			steps = append(steps, s.Position+1)
		default:
			steps = append(steps, s.Name)
		}
	}
	if e.Whole {
		steps = append(steps, "@entity")
	}
	return steps
}
