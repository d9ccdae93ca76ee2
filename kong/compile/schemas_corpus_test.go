package compile_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// otherGateways are the files that a Kong 3.9.3 of the open-source edition with the
// recorded schemas refuses, with the reason.
var otherGateways = map[string]string{
	"deck-dump-entities-with-tags--expected312":                                           "fields of Kong 3.12",
	"deck-dump-plugin-conditional--expected315":                                           "fields and protocols of Kong 3.15",
	"deck-dump-services-tls-sans--kong":                                                   "a field of a later Kong",
	"deck-sync-create-upstream-and-failover-target--kong":                                 "a field of a later Kong",
	"deck-sync-create-upstream-sticky-session--upstream":                                  "an algorithm of a later Kong",
	"deck-file-convert-kong-gateway-28x-to-34x-migration--28x-plugins":                    "fields of Kong 2.8",
	"deck-file-convert-kong-gateway-28x-to-34x-migration--28x-plugins-legacy-new-replace": "fields of Kong 2.8",
	"deck-sync-plugin-ordering--kong":                                                     "ordering is of the enterprise edition",
	"deck-file--file-2": "one function where a list of them belongs: the " +
		"template is meant to become a list",
	"docs-sensitive-data--sensitive-data-1": "a vault of the enterprise edition",
	"docs-sensitive-data--sensitive-data-2": "a vault of the enterprise edition",
	"docs-kong2tf--kong2tf-1":               "protocols of the enterprise edition",
	"gdr-file-valid--filter-chains":         "the recorded gateway has no WebAssembly",
	"deck-sync-ai-models--kong":             "a kind of a later Kong",
	"deck-sync-skip-ca-cert--kong":          "an authority that has expired",
	"deck-sync-skip-ca-cert--kong3x":        "an authority that has expired",
	"gsa-ingress--kong-config":              "its hosts are placeholders in a syntax of its own",
}

// TestCorpusAgainstRecordedSchemas: what the index of the corpus calls valid, the
// recorded schemas of Kong 3.9.3 accept, unless it is of another Kong. Of files of
// the other editions, what that Kong does not know is no surprise.
func TestCorpusAgainstRecordedSchemas(t *testing.T) {
	bundle := shared.Schemas(t)
	dir, lists := corpus(t)
	c := compile.New(compile.DefaultLimits())
	checked := 0
	for _, cs := range slices.Concat(lists["valid"], lists["large"]) {
		_, result, problems, err := build(c, load(t, dir, cs.Inputs))
		if err != nil || problems != nil {
			continue // TestCorpus has a word on it
		}
		var refused []string
		for _, e := range result.Entities {
			var entity map[string]any
			if err := json.Unmarshal(e.JSON, &entity); err != nil {
				t.Fatal(err)
			}
			checked++
			for _, why := range saidOf(t, bundle, strings.TrimSuffix(e.Kind, "s"), entity) {
				if cs.edition() == "oss" || why.Rule != schema.Unsupported && why.Rule != schema.UnknownField {
					refused = append(refused, fmt.Sprintf("  [%s] %s %v: %s", why.Rule, e.Kind, entity["name"], why))
				}
			}
		}
		switch why := otherGateways[cs.Name]; {
		case why != "" && len(refused) == 0:
			t.Errorf("%s is listed as refused (%s), but it is accepted", cs.Name, why)
		case why == "" && len(refused) > 0:
			t.Errorf("%s (%s) is refused:\n%s", cs.Name, cs.edition(), strings.Join(refused, "\n"))
		}
	}
	if checked < 1000 {
		t.Errorf("only %d entities were checked", checked)
	}
}

// TestGeneratedAgainstRecordedSchemas: what a converter makes of OpenAPI documents
// is valid, but for plugins that the recorded gateway does not have.
func TestGeneratedAgainstRecordedSchemas(t *testing.T) {
	bundle := shared.Schemas(t)
	dir := filepath.Join(shared.Dir(t), "corpus", "openapi")
	raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Cases []corpusCase }
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	c := compile.New(compile.DefaultLimits())
	checked := 0
	for _, cs := range index.Cases {
		if cs.Expected == "" {
			continue
		}
		_, result, problems, err := build(c, load(t, dir, []string{cs.Expected}))
		if err != nil || problems != nil {
			continue // names that are there twice, and consumers of another file
		}
		for _, e := range result.Entities {
			var entity map[string]any
			if err := json.Unmarshal(e.JSON, &entity); err != nil {
				t.Fatal(err)
			}
			checked++
			for _, why := range saidOf(t, bundle, strings.TrimSuffix(e.Kind, "s"), entity) {
				if why.Rule != schema.Unsupported {
					t.Errorf("%s: %s %v is refused: [%s] %s", cs.Name, e.Kind, entity["name"], why.Rule, why)
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d entities were checked", checked)
	}
}

func saidOf(t *testing.T, b *schema.Bundle, kind string, entity map[string]any) []schema.FieldError {
	t.Helper()
	found, err := b.Check(t.Context(), schema.NewBudget(1<<40), kind, entity)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
