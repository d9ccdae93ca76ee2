package kongtest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest/schemacheck"
)

// smallSchemas writes schemas of a gateway that has little.
func smallSchemas(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"entities/services.json": `{"fields":[{"id":{"type":"string","uuid":true,"auto":true}},{"name":{"type":"string"}},` +
			`{"host":{"type":"string","required":true}},
			{"protocol":{"type":"string","default":"http","one_of":["http","https"]}},{"port":{"type":"integer","between":[0,65535],` +
			`"default":80}},{"path":{"type":"string"}},
			{"tags":{"type":"set","elements":{"type":"string"}}},{"client_certificate":{"type":"foreign","reference":"certificates"}},` +
			`{"color":{"type":"string","one_of":["red","blue"]}}]}`,
		"entities/routes.json": `{"fields":[{"id":{"type":"string","uuid":true,"auto":true}},{"name":{"type":"string"}},` +
			`{"paths":{"type":"array","elements":{"type":"string"}}},
			{"protocols":{"type":"set","elements":{"type":"string"},"default":["http","https"]}},{"service":{"type":"foreign",` +
			`"reference":"services","required":true}},
			{"sources":{"type":"set","elements":{"type":"record","fields":[{"ip":{"type":"string"}},{"port":{"type":"integer"}}],` +
			`"entity_checks":[{"at_least_one_of":["ip","port"]}]}}}]}`,
		"entities/plugins.json": `{"fields":[{"name":{"type":"string","required":true}},{"service":{"type":"foreign","reference":"services"}},` +
			`{"route":{"type":"foreign","reference":"routes"}},
			{"config":{"type":"record","abstract":true}}]}`,
		"plugins/cors.json": `{"fields":[{"config":{"type":"record","required":true,"fields":[{"max_age":{"type":"number","gt":0}},` +
			`{"labels":{"type":"map","keys":{"type":"string"},"values":{"type":"string"}}}]}}]}`,
		"plugins/pre-function.json": `{"fields":[{"config":{"type":"record","required":true,"fields":[{"access":{"type":"array",` +
			`"elements":{"type":"string"}}}]}}]}`,
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestSchemasRefuse: a gateway with schemas refuses by them, and by its table of
// kinds what they leave open.
func TestSchemasRefuse(t *testing.T) {
	g := kongtest.Start(t, schemacheck.Dir(t, smallSchemas(t)))
	for _, c := range []struct {
		name, document string
		want           []string // of the answer; none means accepted
	}{
		{"a field of these schemas alone", `"services":[{"name":"a","host":"h","color":"red"}]`, nil},
		{"a value of it", `"services":[{"name":"a","host":"h","color":"green"}]`,
			[]string{`"field":"color"`, `"entity_type":"service"`, `"entity_name":"a"`}},
		{"a field that these schemas lack", `"services":[{"name":"a","host":"h","retries":1}]`, []string{`"field":"retries"`, "unknown field"}},
		{"a url", `"services":[{"name":"a","url":"https://h:8443/p"}]`, nil},
		{"a bad url", `"services":[{"name":"a","url":"ftp://h"}]`, []string{`"field":"protocol"`}},
		{"a nested route has its service",
			`"services":[{"name":"a","host":"h","routes":[{"name":"r","paths":["/a"],"plugins":[{"name":"cors","config":{"max_age":1}}]}]}]`, nil},
		{"a route without one has not", `"routes":[{"name":"r","paths":["/a"]}]`, []string{`"field":"service"`, "required field missing"}},
		{"a nested route", `"services":[{"name":"a","host":"h","routes":[{"name":"r","paths":["a","/b//c"]}]}]`, nil},
		{"a path", `"services":[{"name":"a","host":"h","routes":[{"name":"r","paths":["/a","~/(b"]}]}]`,
			[]string{`"field":"paths.2"`, `"entity_name":"r"`}},
		{"a record as a whole", `"services":[{"name":"a","host":"h","routes":[{"name":"r","protocols":["tcp"],"sources":[{}]}]}]`,
			[]string{`"type":"entity"`, "at least one of these fields"}},
		{"a plugin's configuration", `"plugins":[{"name":"cors","config":{"max_age":-1}}]`,
			[]string{`"field":"config.max_age"`, `"entity_type":"plugin"`}},
		{"a map is named, not its key", `"plugins":[{"name":"cors","config":{"labels":{"k":1}}}]`, []string{`"field":"config.labels"`}},
		{"Lua", `"plugins":[{"name":"pre-function","config":{"access":["this is not lua"]}}]`, []string{`"field":"config.access.1"`}},
		{"a plugin without a schema", `"plugins":[{"name":"acl","config":{"x":1}}]`, nil},
		{"a plugin that is not enabled", `"plugins":[{"name":"nosuch"}]`, []string{`"field":"name"`, "not enabled"}},
		{"a kind without a schema", `"upstreams":[{"name":"u","slots":1}]`, []string{`"field":"slots"`}},
		{"a reference of a wrong form", `"services":[{"name":"a","host":"h","client_certificate":{"name":"c"}}]`,
			[]string{`"entity_type":"certificate"`, "missing primary key"}},
	} {
		got := ask(t, http.MethodPost, g.AdminURL()+"/config?flatten_errors=1", `{"_format_version":"3.0",`+c.document+`}`, "Content-Type",
			"text/yaml")
		if len(c.want) == 0 {
			if got.status != http.StatusCreated {
				t.Errorf("%s: got %d %s", c.name, got.status, got.body)
			}
			continue
		}
		if got.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", c.name, got.status, got.body)
		}
		for _, want := range c.want {
			contains(t, got.body, want)
		}
	}
}

func TestSchemasValidateOneEntity(t *testing.T) {
	g := kongtest.Start(t, schemacheck.Dir(t, smallSchemas(t)))
	for _, c := range []struct {
		kind, media, body string
		status            int
		want              string
	}{
		{"services", "application/json", `{"host":"h"}`, 200, "schema validation successful"},
		{"services", "application/json", `{"host":"h","color":"green","x":1}`, 400,
			`2 schema violations (color: expected one of: blue, red; x: unknown field)`},
		{"services", "application/x-www-form-urlencoded", `host=h&tags[]=a&tags[]=b`, 200, ""},
		{"services", "application/x-www-form-urlencoded", `host=h&port=80`, 400, `schema violation (port: expected an integer)`},
		{"routes", "application/json", `{"paths":["/a"],"service":"by-name"}`, 400, `"service":"expected a reference by id"`},
		{"plugins", "application/json", `{"name":"pre-function","config":{"access":["not lua"]}}`, 400, `"access":[`},
		{"plugins", "application/json", `{"name":"nosuch"}`, 400, "not enabled"},
		{"services", "text/yaml", `host: h`, 415, ""},
		{"services", "application/json", `{`, 400, "Cannot parse JSON body"},
		{"services", "application/json", `[1]`, 500, ""},
		{"upstreams", "application/json", `{}`, 404, "No entity named 'upstreams'"},
		{"nosuch", "application/json", `{}`, 404, "No entity named 'nosuch'"},
	} {
		got := ask(t, http.MethodPost, g.AdminURL()+"/schemas/"+c.kind+"/validate", c.body, "Content-Type", c.media)
		expect(t, got, c.status, "")
		contains(t, got.body, c.want)
	}
}

func TestBrokenSchemasAreRefused(t *testing.T) {
	dir := smallSchemas(t)
	if err := os.WriteFile(filepath.Join(dir, "entities", "routes.json"), []byte(`{"fields":[{"a":{"type":"nosuch"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := schemacheck.Load(dir); err == nil {
		t.Error("broken schemas are loaded")
	} else {
		contains(t, []byte(err.Error()), "routes")
	}
}
