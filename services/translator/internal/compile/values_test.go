package compile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/services/translator/internal/compile"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// otherwise are rules of which some values are judged otherwise than by a real Kong: how many, and why.
var otherwise = map[string]struct {
	most int
	why  string
}{
	"jwt": {1, "on purpose: a gateway would invent the secret"},
}

// TestValues puts single values before the structure and the recorded schemas, as a real Kong 3.9.3 was asked: the verdict must be its own.
func TestValues(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(shared.Dir(t), "kong-contract", "values.json"))
	if err != nil {
		t.Skip(err)
	}
	var values []struct {
		Rule   string
		Value  json.RawMessage
		Status int
		Config map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	judges := []compile.Judge{recorded(t)}
	alike, other := 0, map[string]int{}
	for _, v := range values {
		v.Config["_format_version"] = json.RawMessage(`"3.0"`)
		doc, err := json.Marshal(v.Config)
		if err != nil {
			t.Fatal(err)
		}
		problems := explain(t, judges, []compile.Document{{Name: "a.json", Content: doc}}, nil)
		if taken := len(problems) == 0; taken == (v.Status == 201) {
			alike++
			continue
		}
		if other[v.Rule]++; other[v.Rule] > otherwise[v.Rule].most {
			t.Errorf("%s %.100s: a gateway answered %d, we say %q", v.Rule, v.Value, v.Status, strings.TrimSpace(brief(problems)))
		}
	}
	t.Logf("%d of %d alike", alike, len(values))
}
