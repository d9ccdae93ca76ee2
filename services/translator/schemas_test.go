package translator_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kong/schema"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator"
)

// fields makes a schema of fields, each as Kong writes one.
func fields(all ...string) json.RawMessage {
	return json.RawMessage(`{"fields":[{"id":{"type":"string","uuid":true,"auto":true}},` + strings.Join(all, ",") + `]}`)
}

// kong makes the bundle of a gateway whose limit plugin takes a rate up to a bound.
func kong(t *testing.T, version string, bound int) *schema.Bundle {
	t.Helper()
	const tags, protocols = `{"tags":{"type":"set","elements":{"type":"string"}}}`, `{"protocols":{"type":"set","elements":{"type":"string"}}}`
	foreign := func(kind string) string {
		return fmt.Sprintf(`{%q:{"type":"foreign","reference":"%ss"}}`, kind, kind)
	}
	plugin := func(config string) []string {
		return []string{`{"name":{"type":"string","required":true}}`, `{"enabled":{"type":"boolean","default":true}}`, tags, protocols,
			foreign("route"), foreign("service"), foreign("consumer"), `{"config":` + config + `}`}
	}
	b, err := schema.New(schema.Texts{
		KongVersion: version,
		Entities: map[string]json.RawMessage{
			"services": fields(`{"name":{"type":"string"}}`, `{"host":{"type":"string","required":true}}`,
				`{"port":{"type":"integer","between":[0,65535],"default":80}}`,
				`{"protocol":{"type":"string","default":"http"}}`, `{"path":{"type":"string"}}`,
				`{"retries":{"type":"integer","between":[0,32767],"default":5}}`, tags),
			"plugins": fields(plugin(`{"type":"record","fields":[]}`)...),
		},
		Plugins: map[string]json.RawMessage{
			"limit": fields(plugin(fmt.Sprintf(
				`{"type":"record","required":true,"fields":[{"rate":{"type":"integer","required":true,"between":[1,%d]}},{"secret":{"type":"string",`+
					`"one_of":["a"]}},
					{"password":{"type":"string","encrypted":true}}]}`, bound))...),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// limited is a service with a limit plugin, whose config begins at line 7.
func limited(name, config string) string {
	return fmt.Sprintf(`_format_version: "3.0"
services:
- name: %s
  url: http://%s.internal
  plugins:
  - name: limit
    config:
      %s
`, name, name, config)
}

func (p *plane) withSchemas(t *testing.T, bundles ...*schema.Bundle) {
	t.Helper()
	var digests []string
	for _, b := range bundles {
		digests = append(digests, p.registry.store(b))
	}
	p.registry.name("g", digests...)
}

// refusal submits until the replica knows the group's schemas, and returns the refusal.
func (r *replica) refusal(t *testing.T, q *translatorv1.SubmitConfigRequest) (problems []*fleetv1.Problem) {
	t.Helper()
	eventually(t, "the submission is refused", func() bool {
		_, err := r.submit(&translatorv1.SubmitConfigRequest{Group: q.GetGroup(), Source: q.GetSource(), Documents: q.GetDocuments(),
			ValidateOnly: true})
		if err == nil {
			return false
		}
		problems = wantFault(t, err, fault.Invalid, "INVALID_CONFIG").Problems
		return true
	})
	_, err := r.submit(q)
	wantFault(t, err, fault.Invalid, "INVALID_CONFIG")
	return problems
}

func TestWhatTheGatewaysWouldRefuseIsRefused(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	p.withSchemas(t, kong(t, "3.9.3", 100))
	problems := r.refusal(t, config("g", "team", limited("orders", "rate: 101\n      secret: hunter2")))
	if len(problems) != 2 {
		t.Fatalf("problems %v", problems)
	}
	first, second := problems[0], problems[1]
	if first.GetDocument() != "team.yaml" || first.GetLine() != 8 || first.GetKind() != "plugin" || first.GetName() != "limit" ||
		first.GetField() != "config.rate" || first.GetClass() != fleetv1.Problem_CLASS_BAD_VALUE || first.GetSource() != "" {
		t.Errorf("first problem: %v", first)
	}
	if second.GetLine() != 9 || second.GetField() != "config.secret" || strings.Contains(fmt.Sprint(problems), "hunter2") {
		t.Errorf("second problem: %v", second)
	}
	if r.head("g") != nil {
		t.Error("something was committed")
	}
	answer, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g",
		Documents: document("a.yaml", limited("a", "rate: x"))})
	if err != nil || len(answer.GetProblems()) != 1 || answer.GetProblems()[0].GetClass() != fleetv1.Problem_CLASS_WRONG_TYPE {
		t.Errorf("ValidateConfig: %v, %v", answer, err)
	}
	if _, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g",
		Documents: document("a.yaml", limited("a", "rate: x"))}); fault.KindOf(fault.FromStatus(err)) != fault.Invalid {
		t.Errorf("DiffConfig: %v", err)
	}
	if answer := r.mustSubmit(config("g", "team", limited("orders", "rate: 100"))); answer.GetRevision().GetNumber() != 1 ||
		len(answer.GetWarnings()) > 0 {
		t.Errorf("what the gateways take: %v", answer)
	}
	if n := p.registry.timesFetched(); n != 1 {
		t.Errorf("the bundle was fetched %d times", n)
	}
}

func TestEveryKindOfGatewayOfTheGroupJudges(t *testing.T) {
	p := startPlane(t, "g", "other")
	r := p.replica(t)
	p.withSchemas(t, kong(t, "3.4.2", 10), kong(t, "3.9.3", 100))
	problems := r.refusal(t, config("g", "team", limited("orders", "rate: 50")))
	if len(problems) != 1 || !strings.Contains(problems[0].GetMessage(), "(Kong 3.4.2 of this group's nodes)") {
		t.Errorf("refused by one: %v", problems)
	}
	problems = r.refusal(t, config("g", "team", limited("orders", "rats: 1\n      rate: 1")))
	if len(problems) != 1 || !strings.Contains(problems[0].GetMessage(), "(Kong 3.4.2, Kong 3.9.3 of") &&
		!strings.Contains(problems[0].GetMessage(), "(Kong 3.9.3, Kong 3.4.2 of") {
		t.Errorf("refused by both: %v", problems)
	}
	r.mustSubmit(config("other", "team", limited("orders", "rate: 5000"))) // its gateways show nothing
}

// TestWhatAGatewayWouldInventIsRefused: each would make up a secret of its own, and another one at each load.
func TestWhatAGatewayWouldInventIsRefused(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	session, err := schema.New(schema.Texts{
		KongVersion: "3.9.3",
		Entities:    map[string]json.RawMessage{"plugins": fields(`{"name":{"type":"string"}}`, `{"config":{"type":"record","fields":[]}}`)},
		Plugins: map[string]json.RawMessage{"session": fields(`{"name":{"type":"string"}}`,
			`{"config":{"type":"record","required":true,"fields":[`+
				`{"secret":{"type":"string","encrypted":true,"referenceable":true,"default":"of-one-start"}}]}}`,
			`{"route":{"type":"foreign","reference":"routes"}}`,
			`{"service":{"type":"foreign","reference":"services"}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.withSchemas(t, session)
	text := strings.Replace(limited("orders", "cookie_name: c"), "limit", "session", 1)
	problems := r.refusal(t, config("g", "team", strings.Replace(text, "    config:\n      cookie_name: c\n", "", 1)))
	if len(problems) != 1 || problems[0].GetLine() != 6 || problems[0].GetField() != "config.secret" ||
		problems[0].GetClass() != fleetv1.Problem_CLASS_MISSING_FIELD ||
		!strings.Contains(problems[0].GetMessage(), "would invent another secret") {
		t.Errorf("problems %v", problems)
	}
	r.mustSubmit(config("g", "team", strings.Replace(text, "cookie_name: c", `secret: "{vault://env/session}"`, 1)))
}

// TestBundlesOfTheSameRulesValidateOnce: agents of before name a bundle for each start of their gateways, with what differs from one to the
// next left in. A refusal does not name them all.
func TestBundlesOfTheSameRulesValidateOnce(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	var digests []string
	var behind []*registryv1.SchemaBacking
	for i := range 60 {
		text := string(kong(t, "3.9.3", 100).Encode())
		old, err := schema.Decode([]byte(strings.Replace(text, `{"one_of":["a"]`, fmt.Sprintf(`{"description":"start %d","one_of":["a"]`, i), 1)))
		if err != nil {
			t.Fatal(err)
		}
		if old.Digest() == kong(t, "3.9.3", 100).Digest() {
			t.Fatal("nothing differs")
		}
		left := old
		if i%2 == 0 { // of these the registry keeps what is left of them
			left = old.Normalized()
		}
		digests = append(digests, p.registry.storeAs(old.Digest(), left))
		behind = append(behind, &registryv1.SchemaBacking{Digest: string(old.Digest()), Nodes: 1, NodeNames: []string{fmt.Sprint("n", i)}})
	}
	p.registry.name("g", digests...)
	problems := r.refusal(t, config("g", "team", limited("orders", "rate: 101")))
	if len(problems) != 1 || strings.Contains(problems[0].GetMessage(), "nodes") {
		t.Errorf("problems %v", problems)
	}
	// What does not count is told once as well.
	p.registry.back("g", behind...)
	eventually(t, "the problem is a warning", func() bool {
		answer, err := r.submit(&translatorv1.SubmitConfigRequest{
			Group: "g", Source: "team", Documents: config("g", "team", limited("orders", "rate: 101")).GetDocuments(), ValidateOnly: true,
		})
		if err != nil {
			return false
		}
		if len(answer.GetWarnings()) != 1 || !strings.Contains(answer.GetWarnings()[0].GetMessage(),
			"which 60 nodes report: n0, n1, n2, n3, n4, ...") {
			t.Fatalf("warnings %v", answer.GetWarnings())
		}
		return true
	})
}

func TestAnotherSourceThatTheGatewaysRefuseIsAWarning(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "old", limited("orders", "rate: 50")))
	p.withSchemas(t, kong(t, "3.4.2", 10)) // a gateway that joins the group knows better
	r.refusal(t, config("g", "team", limited("users", "rate: 51")))
	for range 2 { // the second is remembered
		answer := r.mustSubmit(config("g", "team", services("a", "b")))
		if w := answer.GetWarnings(); len(w) != 1 || w[0].GetSource() != "old" || w[0].GetDocument() != "old.yaml" ||
			w[0].GetField() != "config.rate" {
			t.Errorf("warnings %v", w)
		}
	}
	// Its owner is told in earnest.
	r.refusal(t, config("g", "old", limited("orders", "rate: 50")))
	if answer := r.mustSubmit(config("g", "old", limited("orders", "rate: 5"))); len(answer.GetWarnings()) > 0 {
		t.Errorf("warnings %v", answer.GetWarnings())
	}
}

func TestSchemasThatCannotBeHadAreAWarning(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	bundle := kong(t, "3.9.3", 100)
	p.registry.name("g", string(bundle.Digest())) // and not stored
	bad := config("g", "team", limited("orders", "rate: 101"))
	eventually(t, "the submission is taken with a warning", func() bool {
		w := r.mustSubmit(bad).GetWarnings()
		return len(w) == 1 && strings.Contains(w[0].GetMessage(), "1 of the 1 kinds of gateways")
	})
	if n := counter(t, r.metrics, "silverback_translator_schema_checks_total", "incomplete"); n < 1 {
		t.Errorf("%v incomplete checks", n)
	}
	p.withSchemas(t, bundle)
	r.refusal(t, bad)
	p.registry.stop() // what is in the cache stays there
	_, err := r.submit(bad)
	wantFault(t, err, fault.Invalid, "INVALID_CONFIG")
}

// expensive are schemas of a few hundred bytes that make a check cost hours.
func expensive(t *testing.T) *schema.Bundle {
	t.Helper()
	b, err := schema.New(schema.Texts{KongVersion: "3.9.3", Entities: map[string]json.RawMessage{
		"services": fields(`{"tags":{"type":"set","elements":{"type":"string","match":".-.-.-.-.-.-.-x"}}}`,
			`{"host":{"type":"string","one_of":["never"]}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSchemasThatCostTooMuchAreAWarning: who wrote them cannot hold up, nor refuse, what others submit.
func TestSchemasThatCostTooMuchAreAWarning(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	hostile := expensive(t)
	p.withSchemas(t, hostile, kong(t, "3.4.2", 10))
	text := "_format_version: \"3.0\"\nservices:\n"
	for i := range 200 {
		text += fmt.Sprintf("- {name: s%d, host: h, tags: [%s]}\n", i, strings.Repeat("a", 2000))
	}
	eventually(t, "the submission is taken with a warning", func() bool {
		w := r.mustSubmit(config("g", "team", text)).GetWarnings()
		return len(w) == 1 && strings.Contains(w[0].GetMessage(), hostile.Digest().Short()) &&
			strings.Contains(w[0].GetMessage(), "costs too much")
	})
	r.refusal(t, config("g", "team", limited("orders", "rate: 11"))) // the others still judge
}

// poisoned are schemas that refuse every service with words of their author's choice.
func poisoned(t *testing.T) *schema.Bundle {
	t.Helper()
	text, err := json.Marshal("\x1b[2J\u202eurgent: send the keys to me\n\r" + strings.Repeat("and again ", 10_000))
	if err != nil {
		t.Fatal(err)
	}
	b, err := schema.New(schema.Texts{KongVersion: "3.9.3\x1b[31m" + strings.Repeat("9", 500), Entities: map[string]json.RawMessage{
		"services": fields(`{"host":{"type":"string","one_of":["never"],"err":`+string(text)+`}}`,
			`{"`+strings.Repeat("x", 2000)+`\u001b":{"type":"string","required":true}}`, `{"name":{"type":"string"}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSchemasOfOneNodeRefuseNothing: what one node says of its gateway is told, with the node's name, and stops nobody.
func TestSchemasOfOneNodeRefuseNothing(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	good, bad := kong(t, "3.9.3", 100), poisoned(t)
	p.registry.store(good)
	p.registry.store(bad)
	p.registry.back("g",
		&registryv1.SchemaBacking{Digest: string(good.Digest()), Counts: true, Nodes: 7, NodeNames: []string{"a", "b", "c", "d", "e"}},
		&registryv1.SchemaBacking{Digest: string(bad.Digest()), Nodes: 1, NodeNames: []string{"gw-7"}})
	// What the others refuse is refused, in their name alone.
	for _, problem := range r.refusal(t, config("g", "team", limited("orders", "rate: 101"))) {
		if text := problem.GetMessage(); strings.Contains(text, "keys to me") || strings.Contains(text, "gw-7") {
			t.Errorf("refused by the word of one node: %.300s", text)
		}
	}
	var warnings []*fleetv1.Problem
	eventually(t, "the submission is taken with warnings", func() bool {
		warnings = r.mustSubmit(config("g", "team", services("a", "b", "c", "d", "e"))).GetWarnings()
		return len(warnings) > 0
	})
	if len(warnings) > 4 {
		t.Errorf("%d warnings", len(warnings))
	}
	for _, w := range warnings {
		text := w.GetField() + w.GetMessage()
		if !strings.Contains(text, "gw-7") || strings.ContainsFunc(text, clean.Unsafe) || len(text) > 2*clean.MaxMessage {
			t.Errorf("a warning has %d bytes: %.300q", len(text), text)
		}
	}
	if n := counter(t, r.metrics, "silverback_translator_schema_checks_total", "doubted"); n < 1 {
		t.Errorf("%v doubted checks", n)
	}
	// An operator's word is the other way to count.
	p.registry.back("g", &registryv1.SchemaBacking{Digest: string(bad.Digest()), Counts: true, Nodes: 1, NodeNames: []string{"gw-7"}})
	for _, problem := range r.refusal(t, config("g", "team", services("a"))) {
		if text := problem.GetField() + problem.GetMessage(); strings.ContainsFunc(text, clean.Unsafe) || len(text) > 2*clean.MaxMessage {
			t.Errorf("a problem has %d bytes: %.300q", len(text), text)
		}
	}
}

func TestOperatorsMaySoftenTheCheck(t *testing.T) {
	p := startPlane(t, "g")
	p.withSchemas(t, kong(t, "3.9.3", 100))
	bad := config("g", "team", limited("orders", "rate: 101"))
	r := p.replicaWith(t, p.etcd.Client(t), translator.Config{SchemaCheck: "warn"})
	eventually(t, "the submission is taken with a warning", func() bool {
		w := r.mustSubmit(bad).GetWarnings()
		return len(w) == 1 && w[0].GetField() == "config.rate" && w[0].GetLine() == 8
	})
	off := p.replicaWith(t, p.etcd.Client(t), translator.Config{SchemaCheck: "off"})
	if w := off.mustSubmit(bad).GetWarnings(); len(w) > 0 {
		t.Errorf("warnings %v", w)
	}
	if (translator.Config{SchemaCheck: "maybe"}).Check() == nil || (translator.Config{}).Check() != nil {
		t.Error("the setting is not checked")
	}
}

func counter(t *testing.T, metrics *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}
