package compile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

type transcript struct {
	Request  struct{ Body string }
	Response struct {
		Status int
		Body   json.RawMessage `json:"body_json"`
	}
}

func transcripts(t *testing.T, folder string) map[string]transcript {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(shared.Dir(t), "kong-contract", folder, "*.json"))
	if len(files) == 0 {
		t.Fatalf("the recordings have nothing under %s", folder)
	}
	all := map[string]transcript{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var tr transcript
		if json.Unmarshal(raw, &tr) == nil && strings.HasPrefix(strings.TrimSpace(tr.Request.Body), "{") {
			all[strings.TrimSuffix(filepath.Base(file), ".json")] = tr
		}
	}
	return all
}

// stricter are files that a gateway takes and we do not.
var stricter = map[string]string{
	"credentials-generated-when-absent": "a gateway would invent secrets",
	"duplicate-ca-certificate":          "",
}

// otherIDs are entities whose recorded id depends on how a reference was written.
var otherIDs = map[string]bool{"plugin-two-foreigns-by-name": true}

// TestIDsAreThoseOfKong compares ids with those that a gateway gave, wherever it
// gave derived ones, which have the version 5.
func TestIDsAreThoseOfKong(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	compared := map[string]int{}
	for name, tr := range transcripts(t, "config-valid") {
		if tr.Response.Status != 201 {
			continue
		}
		_, result, problems, err := build(c, []compile.Document{{Name: name + ".json", Content: []byte(tr.Request.Body)}})
		if _, known := stricter[name]; known && len(problems) > 0 {
			continue
		}
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: a gateway took it, we do not: %v\n%s", name, err, lines(problems))
			continue
		}
		ours := map[string]bool{}
		for _, e := range result.Entities {
			ours[e.Kind+" "+e.ID] = true
		}
		var answer map[string]map[string]json.RawMessage
		if err := json.Unmarshal(tr.Response.Body, &answer); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for kind, entities := range answer {
			if result.Counts[kind] != len(entities) {
				t.Errorf("%s: %d %s, a gateway has %d", name, result.Counts[kind], kind, len(entities))
			}
			for id := range entities {
				if len(id) != 36 || id[14] != '5' || otherIDs[name] && kind == "plugins" {
					continue
				}
				compared[kind]++
				if !ours[kind+" "+id] {
					t.Errorf("%s: %s: a gateway gave the id %s, we none like it", name, kind, id)
				}
			}
		}
	}
	for _, kind := range []string{"services", "routes", "consumers", "plugins", "upstreams", "targets", "vaults", "acls",
		"basicauth_credentials", "hmacauth_credentials", "snis"} {
		if compared[kind] == 0 {
			t.Errorf("no recorded id of %s was compared", kind)
		}
	}
	t.Logf("compared: %v", compared)
}

// TestRefusedByKong tells which of the configurations that a gateway refuses are
// refused here already. Those left over need the schemas of plugins, or keys and
// certificates to be read.
func TestRefusedByKong(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	refused, accepted := 0, []string{}
	for name, tr := range transcripts(t, "config-invalid") {
		_, _, problems, err := build(c, []compile.Document{{Name: name + ".json", Content: []byte(tr.Request.Body)}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(problems) > 0 {
			refused++
		} else {
			accepted = append(accepted, name)
		}
	}
	t.Logf("refused %d, left to the gateway %d: %s", refused, len(accepted), strings.Join(accepted, " "))
	if refused < 100 {
		t.Errorf("only %d are refused", refused)
	}
}
