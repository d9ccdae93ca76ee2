package compile_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kit/schema"
	"github.com/silverback-gateway/silverback/services/translator/internal/compile"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// gateway is a judge by recorded schemas.
type gateway struct {
	*schema.Bundle
	name string
}

func (g gateway) Name() string { return g.name }

func recorded(tb testing.TB) compile.Judge { return gateway{shared.Schemas(tb), "Kong 3.9.3"} }

// leftToKong are recorded refusals that neither the structure nor the schemas show, with the reason.
var leftToKong = map[string]string{
	"deck-info-and-konnect-fields":            "_info and _konnect are translated (F19)",
	"deck-underscore-workspace":               "_workspace is translated (F19)",
	"deck-plugin-configs":                     "_plugin_configs are translated (F19)",
	"route-references-service-by-name-object": "references by name are resolved (F13)",
	"top-level-credentials-by-username":       "references by name are resolved (F13)",
	"consumer-group-field":                    "a kind that no schema was seen of is left to the gateway",
	"plugin-pre-function-syntax-error":        "Lua is parsed by the gateway alone",
}

// TestRecordedVerdicts puts every recorded configuration before the recorded schemas: what a gateway refused is refused, what it took is
// taken, but for what is named.
func TestRecordedVerdicts(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	judges := []compile.Judge{recorded(t)}
	refusedAlike, takenAlike := 0, 0
	for _, folder := range []string{"config-invalid", "config-valid"} {
		for name, tr := range transcripts(t, folder) {
			docs := []compile.Document{{Name: name + ".json", Content: []byte(tr.Request.Body)}}
			_, result, problems, err := build(c, docs)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			structure := len(problems) > 0
			if !structure {
				problems = result.Judge("main", judges)
				c.Locate(docs, problems)
			}
			switch refused := len(problems) > 0; {
			case tr.Response.Status != 201 && refused && leftToKong[name] == "":
				refusedAlike++
			case tr.Response.Status == 201 && !refused:
				takenAlike++
			case tr.Response.Status == 201 && refused:
				if _, known := stricter[name]; !known || !structure {
					t.Errorf("%s: a gateway took it, we do not:\n%s", name, lines(problems))
				}
			case tr.Response.Status != 201 && !refused && leftToKong[name] == "":
				t.Errorf("%s: a gateway refused it, we do not: %.300s", name, tr.Response.Body)
			case tr.Response.Status != 201 && refused && leftToKong[name] != "":
				t.Errorf("%s is refused now; take it off the list", name)
			}
		}
	}
	if refusedAlike != 171 || takenAlike != 51 {
		t.Errorf("refused as the gateway did: %d, taken as it did: %d; docs/corpus.md says 171 and 51", refusedAlike, takenAlike)
	}
}

// BenchmarkJudge10k is what the schemas of one kind of gateway add to a submission of 10,000 routes.
func BenchmarkJudge10k(b *testing.B) {
	c := compile.New(compile.DefaultLimits())
	f, _ := c.Parse([]compile.Document{{Name: "a.json", Content: routesJSON(10_000)}})
	result, _ := c.Merge(map[compile.SourceID]*compile.Fragment{"main": f})
	judges := []compile.Judge{recorded(b)}
	b.ReportAllocs()
	for b.Loop() {
		if problems := result.Judge("main", judges); problems != nil {
			b.Fatal(problems)
		}
	}
}
