package entity_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// schemaField is a field as a gateway describes it.
type schemaField struct {
	Type      string
	Reference string
	Unique    bool
	Transient bool
	Auto      bool
	UUID      bool
	OneOf     []any `json:"one_of"`
	Elements  *schemaField
	Fields    []map[string]schemaField
}

// typesOf maps what a gateway calls a type to ours.
var typesOf = map[string][]entity.Type{
	"string": {entity.String}, "integer": {entity.Integer, entity.Number}, "number": {entity.Number}, "boolean": {entity.Boolean},
	"array": {entity.List}, "set": {entity.List}, "record": {entity.Record, entity.Object}, "map": {entity.Map},
	"foreign": {entity.Ref}, "json": {entity.Any},
}

// TestTableAgreesWithGateway compares the table with the schemas that a gateway
// of the open-source edition gave: the same fields, types, references, uniqueness.
func TestTableAgreesWithGateway(t *testing.T) {
	dir := filepath.Join(shared.Dir(t), "kong-contract", "schemas", "entities")
	compared := 0
	for _, kind := range entity.NewTable().Kinds() {
		raw, err := os.ReadFile(filepath.Join(dir, kind.Name+".json"))
		if err != nil {
			if !kind.Enterprise {
				t.Errorf("%s: the gateway has no such kind", kind.Name)
			}
			continue
		}
		var schema struct{ Fields []map[string]schemaField }
		if err := json.Unmarshal(raw, &schema); err != nil {
			t.Fatalf("%s: %v", kind.Name, err)
		}
		compared++
		seen := compare(t, kind.Name, kind.Fields, schema.Fields)
		for _, named := range schema.Fields {
			for name, f := range named {
				if f.Auto && f.Type == "string" && !f.UUID && !slices.Contains(kind.Invents, name) {
					t.Errorf("%s.%s: the gateway invents a secret, the table does not say so", kind.Name, name)
				}
			}
		}
		for _, f := range kind.Fields {
			optional := f.Extra || f.Name == "updated_at" || f.Name == "created_at" || f.Name == "tags"
			if !optional && !slices.Contains(seen, f.Name) {
				t.Errorf("%s: the gateway has no field %s", kind.Name, f.Name)
			}
		}
	}
	if compared < 18 {
		t.Errorf("compared %d kinds only", compared)
	}
}

func compare(t *testing.T, path string, ours []entity.Field, theirs []map[string]schemaField) (seen []string) {
	t.Helper()
	for _, named := range theirs {
		for name, f := range named {
			seen = append(seen, name)
			i := slices.IndexFunc(ours, func(have entity.Field) bool { return have.Name == name })
			if name == "id" || name == "updated_at" || f.Transient { // of updated_at gateways look at nothing
				continue
			}
			if i < 0 {
				t.Errorf("%s.%s: the gateway has the field, the table has not", path, name)
				continue
			}
			have := ours[i]
			if !slices.Contains(typesOf[f.Type], have.Type) {
				t.Errorf("%s.%s: the gateway has the type %s, the table %v", path, name, f.Type, have.Type)
			}
			if have.Ref != f.Reference {
				t.Errorf("%s.%s: the gateway refers to %q, the table to %q", path, name, f.Reference, have.Ref)
			}
			if f.Type == "string" && have.Unique != f.Unique {
				t.Errorf("%s.%s: unique is %v for the gateway, %v in the table", path, name, f.Unique, have.Unique)
			}
			for _, value := range f.OneOf {
				if s, ok := value.(string); ok && !slices.Contains(have.OneOf, s) {
					t.Errorf("%s.%s: the gateway takes %q, the table does not", path, name, s)
				}
			}
			if have.Type == entity.Record {
				compare(t, path+"."+name, have.Fields, f.Fields)
			}
			if f.Elements != nil && have.Elem != nil && have.Elem.Type == entity.Record {
				compare(t, path+"."+name+"[]", have.Elem.Fields, f.Elements.Fields)
			}
		}
	}
	return seen
}

func TestKindsFollowWhatTheyReferTo(t *testing.T) {
	table := entity.NewTable()
	for _, kind := range table.Kinds() {
		for _, f := range kind.Fields {
			if f.Ref == "" {
				continue
			}
			if table.Kind(f.Ref) == nil {
				t.Errorf("%s.%s refers to the kind %q, which is not there", kind.Name, f.Name, f.Ref)
			} else if table.Rank(f.Ref) >= table.Rank(kind.Name) {
				t.Errorf("%s comes before %s, to which it refers", kind.Name, f.Ref)
			}
		}
		for _, child := range kind.Children {
			if c := table.Kind(child.Kind); c == nil || c.Field(child.Ref) == nil {
				t.Errorf("%s: the nested %s have no field %q", kind.Name, child.Kind, child.Ref)
			}
		}
	}
}

// TestExpressionsOnSeveralLinesAreNotDoubted: under the flag x a line feed in a regular expression stands for nothing.
func TestExpressionsOnSeveralLinesAreNotDoubted(t *testing.T) {
	for _, warn := range []func(string) string{entity.RoutePath, entity.HeaderValue} {
		for text, want := range map[string]bool{"~*/(?x)a\n|b": false, "~*/(?i-x)a\n": true, "~*/a\n|b": true, "/(?x)\n": true} {
			if got := warn(text) != ""; got != want {
				t.Errorf("%q is warned of: %v, want %v", text, got, want)
			}
		}
	}
}
