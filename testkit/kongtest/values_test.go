package kongtest_test

import (
	"encoding/json"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest/schemacheck"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// TestValues posts single values that a real Kong 3.9.3 was given: the status must be the same.
func TestValues(t *testing.T) {
	text := shared.Read(t, "kong-contract", "values.json")
	var values []struct {
		Rule   string
		Value  json.RawMessage
		Status int
		Config map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	g := kongtest.Start(t, kongtest.SwitchAfter(0), schemacheck.Dir(t, shared.SchemaDir(t)))
	alike := 0
	for _, v := range values {
		v.Config["_format_version"] = json.RawMessage(`"3.0"`)
		doc, err := json.Marshal(v.Config)
		if err != nil {
			t.Fatal(err)
		}
		got := post(t, g, string(doc))
		if got.status == v.Status {
			alike++
			continue
		}
		t.Errorf("%s %.100s: %d, got %d %.200s", v.Rule, v.Value, v.Status, got.status, got.body)
	}
	t.Logf("%d of %d alike", alike, len(values))
}
