package compile_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// otherwise are values that are judged otherwise than by a real Kong on purpose, by rule and value; docs/kong.md gives the reasons.
var otherwise = map[string]string{
	`jwt {"key":"k"}`: "a gateway would invent the secret, another one at each load (F24)",
}

// TestValues puts single values before the structure and the recorded schemas, as a real Kong 3.9.3 was asked: the verdict must be its own.
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
	validators := []compile.Validator{recorded(t)}
	alike, other := 0, map[string]bool{}
	for _, v := range values {
		v.Config["_format_version"] = json.RawMessage(`"3.0"`)
		doc, err := json.Marshal(v.Config)
		if err != nil {
			t.Fatal(err)
		}
		problems := explain(t, validators, []compile.Document{{Name: "a.json", Content: doc}}, nil)
		if taken := len(problems) == 0; taken == (v.Status == 201) {
			alike++
			continue
		}
		var value bytes.Buffer
		if err := json.Compact(&value, v.Value); err != nil {
			t.Fatal(err)
		}
		if name := v.Rule + " " + value.String(); otherwise[name] == "" {
			t.Errorf("%.120s: a gateway answered %d, we say %q", name, v.Status, strings.TrimSpace(brief(problems)))
		} else {
			other[name] = true
		}
	}
	for name := range otherwise {
		if !other[name] {
			t.Errorf("%s is judged as by a gateway; take it off the list", name)
		}
	}
	t.Logf("%d of %d alike", alike, len(values))
}
