package compile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// gateway is a validator by recorded schemas.
type gateway struct {
	*schema.Bundle
	name string
}

func (g gateway) Name() string { return g.name }

func recorded(tb testing.TB) compile.Validator { return gateway{shared.Schemas(tb), "Kong 3.9.3"} }

// leftToKong are recorded refusals that neither the structure nor the schemas show, with the reason.
var leftToKong = map[string]string{
	"deck-info-and-konnect-fields":            "_info and _konnect are translated (F19)",
	"deck-underscore-workspace":               "_workspace is translated (F19)",
	"deck-plugin-configs":                     "_plugin_configs are translated (F19)",
	"route-references-service-by-name-object": "references by name are resolved (F13)",
	"top-level-credentials-by-username":       "references by name are resolved (F13)",
}

// stricterJudges are files that a gateway takes as they are, and would refuse as the snapshot that they become.
var stricterJudges = map[string]string{
	"plugin-consumer-scope-not-allowed": "scopes are looked at where a plugin names its consumer, as in a snapshot, and not where it is " +
		"nested (F21)",
}

// TestRecordedVerdicts puts every recorded configuration before the recorded schemas: what a gateway refused is refused, what it took is
// taken, but for what is named.
func TestRecordedVerdicts(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	validators := []compile.Validator{recorded(t)}
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
				verdict, err := result.Validate(t.Context(), "main", validators)
				if err != nil || len(verdict.Over) > 0 {
					t.Errorf("%s: %v, over its budget: %v", name, err, verdict.Over)
				}
				problems = verdict.Problems
				c.Locate(docs, problems)
			}
			switch refused := len(problems) > 0; {
			case tr.Response.Status != 201 && refused && leftToKong[name] == "":
				refusedAlike++
			case tr.Response.Status == 201 && !refused:
				takenAlike++
			case tr.Response.Status == 201 && refused:
				if _, known := stricter[name]; (!known || !structure) && stricterJudges[name] == "" {
					t.Errorf("%s: a gateway took it, we do not:\n%s", name, lines(problems))
				}
			case tr.Response.Status != 201 && !refused && leftToKong[name] == "":
				t.Errorf("%s: a gateway refused it, we do not: %.300s", name, tr.Response.Body)
			case tr.Response.Status != 201 && refused && leftToKong[name] != "":
				t.Errorf("%s is refused now; take it off the list", name)
			}
		}
	}
	if refusedAlike != 173 || takenAlike != 51 {
		t.Errorf("refused as the gateway did: %d, taken as it did: %d; docs/corpus.md says 173 and 51", refusedAlike, takenAlike)
	}
}

// metered is a gateway that counts what its checks cost, and takes as much time as they need.
type metered struct {
	gateway
	used *int64
}

func (m metered) Check(ctx context.Context, _ *schema.Budget, kind string, entity map[string]any) ([]schema.FieldError, error) {
	const plenty = 1 << 40
	budget := schema.NewBudget(plenty)
	found, err := m.gateway.Check(ctx, budget, kind, entity)
	*m.used += plenty - budget.Left()
	return found, err
}

// TestBudgetsFitRealGateways: what was recorded takes a small part of what may be spent, by the schemas of a real Kong. What is below the
// budget of an empty configuration is not looked at, so that one entity is measured as if it were one of many.
func TestBudgetsFitRealGateways(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	var worst float64
	for name, tr := range transcripts(t, "config-valid") {
		_, result, problems, err := build(c, []compile.Document{{Name: name + ".json", Content: []byte(tr.Request.Body)}})
		if err != nil || len(problems) > 0 {
			continue
		}
		var used int64
		if _, err := result.Validate(t.Context(), "main", []compile.Validator{metered{recorded(t).(gateway), &used}}); err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for _, e := range result.Entities {
			bytes += len(e.JSON)
		}
		allowed := schema.BudgetFor(len(result.Entities), bytes).Left() - schema.BudgetFor(0, 0).Left()
		if share := float64(used) / float64(allowed); share > worst {
			worst = share
			t.Logf("%s: %d steps of %d", name, used, allowed)
		}
	}
	if worst > 0.25 || worst == 0 {
		t.Errorf("the most expensive takes %.0f %% of its budget", 100*worst)
	}
}

// expensive is a gateway whose schemas make any tag take thousands of steps.
func expensive(tb testing.TB) *schema.Bundle {
	tb.Helper()
	b, err := schema.New(schema.Texts{KongVersion: "3.9.3", Entities: map[string]json.RawMessage{"services": json.RawMessage(
		`{"fields":[{"tags":{"type":"set","elements":{"type":"string","match":".-.-.-.-.-.-x"}}},` +
			`{"host":{"type":"string","one_of":["never"]}}]}`)}})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func tagged(tb testing.TB, services int) *compile.Result {
	tb.Helper()
	var text strings.Builder
	text.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range services {
		fmt.Fprintf(&text, "- {name: s%d, host: h, tags: [%s]}\n", i, strings.Repeat("a", 500))
	}
	c := compile.New(compile.DefaultLimits())
	f, problems := c.Parse([]compile.Document{{Name: "a.yaml", Content: []byte(text.String())}})
	if len(problems) > 0 {
		tb.Fatal(lines(problems))
	}
	result, _ := c.Merge(map[compile.SourceID]*compile.Fragment{"main": f})
	return result
}

// TestAValidatorOverItsBudgetSaysNothing, and takes nothing of the others'.
func TestAValidatorOverItsBudgetSaysNothing(t *testing.T) {
	hostile := gateway{expensive(t), "hostile"}
	strict, err := schema.New(schema.Texts{KongVersion: "3.9.3", Entities: map[string]json.RawMessage{
		"services": json.RawMessage(
			`{"fields":[{"host":{"type":"string","one_of":["other"]}},{"name":{"type":"string"}},{"tags":{"type":"set"}}]}`)}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := tagged(t, 300).Validate(t.Context(), "main", []compile.Validator{hostile, gateway{strict, "strict"}})
	if err != nil || !slices.Equal(v.Over, []int{0}) || len(v.Problems) == 0 {
		t.Fatalf("%v, over %v, %d problems", err, v.Over, len(v.Problems))
	}
	for _, p := range v.Problems {
		if strings.Contains(p.Message, "never") || strings.Contains(p.Message, "hostile") {
			t.Errorf("what it said counts: %s", p)
		}
	}
}

// waiting tells when it is asked first, and then takes all the time of the world.
type waiting struct {
	gateway
	asked chan struct{}
}

func (w waiting) Check(ctx context.Context, _ *schema.Budget, kind string, entity map[string]any) ([]schema.FieldError, error) {
	select {
	case w.asked <- struct{}{}:
	default:
	}
	return w.gateway.Check(ctx, schema.NewBudget(1<<31), kind, entity)
}

// TestValidatingEndsWithItsCall: nobody waits for the answer any more.
func TestValidatingEndsWithItsCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := waiting{gateway{expensive(t), "slow"}, make(chan struct{})}
	result, ended := tagged(t, 20_000), make(chan error, 1)
	go func() {
		_, err := result.Validate(ctx, "main", []compile.Validator{w})
		ended <- err
	}()
	<-w.asked
	cancel()
	began := time.Now()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it went on for %s", took)
	}
}

// BenchmarkValidate10k is what the schemas of one kind of gateway add to a submission of 10,000 routes.
func BenchmarkValidate10k(b *testing.B) {
	c := compile.New(compile.DefaultLimits())
	f, _ := c.Parse([]compile.Document{{Name: "a.json", Content: routesJSON(10_000)}})
	result, _ := c.Merge(map[compile.SourceID]*compile.Fragment{"main": f})
	validators := []compile.Validator{recorded(b)}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := result.Validate(b.Context(), "main", validators); err != nil || v.Problems != nil || v.Over != nil {
			b.Fatal(v, err)
		}
	}
}
