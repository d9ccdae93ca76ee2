// Package schemacheck has a simulated gateway check configurations by schemas, with kong/schema: the code that the translator checks with.
// A mistake there shows on neither side, so a test opts in, where it needs the rules of plugins or all rules of entities.
package schemacheck

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// Schemas implements kongtest.Schemas.
type Schemas struct{ bundle *schema.Bundle }

// Load reads what a gateway served under /schemas from a directory: files named after entity kinds in entities/, after plugins in plugins/
// and after vaults in vaults/. Each of the three may be missing.
func Load(dir string) (Schemas, error) {
	texts := schema.Texts{KongVersion: kongtest.KongVersion}
	for folder, into := range map[string]*map[string]json.RawMessage{
		"entities": &texts.Entities, "plugins": &texts.Plugins, "vaults": &texts.Vaults,
	} {
		files, err := filepath.Glob(filepath.Join(dir, folder, "*.json"))
		if err != nil {
			return Schemas{}, err
		}
		*into = map[string]json.RawMessage{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return Schemas{}, err
			}
			(*into)[strings.TrimSuffix(filepath.Base(file), ".json")] = text
		}
	}
	bundle, err := schema.New(texts)
	if err != nil {
		return Schemas{}, fmt.Errorf("read schemas from %s: %w", dir, err)
	}
	return Schemas{bundle}, nil
}

// Dir has a gateway serve the schemas of a directory and check configurations by them.
func Dir(tb testing.TB, dir string) kongtest.Option {
	tb.Helper()
	schemas, err := Load(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return func(o *kongtest.Options) { o.SchemaDir, o.Schemas = dir, schemas }
}

// Knows reports whether there is a schema of an entity kind.
func (s Schemas) Knows(kind string) bool { return s.bundle.Knows(kind) }

// HasField reports whether the schema of a kind has a field.
func (s Schemas) HasField(kind, field string) bool { return s.bundle.HasField(kind, field) }

// HasPlugin reports whether there is a schema of a plugin.
func (s Schemas) HasPlugin(name string) bool { return s.bundle.HasPlugin(name) }

// HasVault reports whether there is a schema of a vault.
func (s Schemas) HasVault(name string) bool { return s.bundle.HasVault(name) }

// Check checks one entity. It takes all the time that it needs, as a gateway does.
func (s Schemas) Check(kind string, posted map[string]any, strict bool) []kongtest.Finding {
	check := s.bundle.Check
	if strict {
		check = s.bundle.CheckStrict
	}
	found, err := check(context.Background(), schema.NewBudget(math.MaxInt64), kind, posted)
	if err != nil {
		panic(err) // there was neither an end nor a budget
	}
	all := make([]kongtest.Finding, len(found))
	for i, e := range found {
		all[i] = kongtest.Finding{Path: place(e), Message: e.Message, Fatal: e.Fatal}
	}
	return all
}

// place is where Kong's table of errors has an error.
func place(e schema.FieldError) []any {
	var steps []any
	for _, s := range e.Path {
		switch {
		case s.Key: // Kong files errors in a map under the map
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
