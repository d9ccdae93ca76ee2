package translator_test

import (
	"fmt"
	"strings"
	"testing"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// TestEveryClassOfProblemsIsInOneAnswer: what the file, the other sources and the schemas show is told together, by submit and validate.
func TestEveryClassOfProblemsIsInOneAnswer(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	p.withSchemas(t, kong(t, "3.9.3", 5))
	r.refusal(t, config("g", "aside", limited("taken", "rate: 6"))) // by then the schemas are known
	r.mustSubmit(config("g", "aside", limited("taken", "rate: 1")))
	for _, tc := range []struct{ name, more, want string }{
		{"value, schema, reference, conflict", `- {name: b, host: h, port: x}
- {name: taken, host: h, retries: 99999}
- {name: c, host: h, plugins: [{name: limit, config: {rate: 7}}, {name: nosuch}]}
routes:
- {name: r, service: nosuch, paths: [/a]}
`, "a.yaml:8 config.rate\na.yaml:9 port\na.yaml:10 name\na.yaml:10 retries\na.yaml:11 config.rate\na.yaml:11 name\na.yaml:13 service\n"},
		{"schema and reference", `routes:
- {name: r, service: nosuch, paths: [/a]}
`, "a.yaml:8 config.rate\na.yaml:10 service\n"},
		{"schema and conflict", `- {name: taken, host: h}
`, "a.yaml:8 config.rate\na.yaml:9 name\n"},
	} {
		q := &translatorv1.SubmitConfigRequest{Group: "g", Documents: document("a.yaml", limited("a", "rate: 6")+tc.more)}
		brief := func(problems []*fleetv1.Problem) string {
			var b strings.Builder
			for _, p := range problems {
				fmt.Fprintf(&b, "%s%s:%d %s\n", p.GetSource(), p.GetDocument(), p.GetLine(), p.GetField())
			}
			return b.String()
		}
		if got := brief(r.refusal(t, q)); got != tc.want {
			t.Errorf("%s: submit tells\n%s\nwant\n%s", tc.name, got, tc.want)
		}
		answer, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g", Documents: q.GetDocuments()})
		if err != nil {
			t.Fatal(err)
		}
		if got := brief(answer.GetProblems()); got != tc.want || int(answer.GetProblemCount()) != len(answer.GetProblems()) {
			t.Errorf("%s: validate tells %d:\n%s\nwant\n%s", tc.name, answer.GetProblemCount(), got, tc.want)
		}
	}
}
