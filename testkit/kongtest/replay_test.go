package kongtest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest/schemacheck"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// transcript is one recorded exchange with a real Kong.
type transcript struct {
	Note    string
	Request struct {
		Listener, Method, Path string
		Headers                map[string]string
		Body                   *string
		BodyBase64             string `json:"body_base64"`
	}
	Response  recorded
	HashAfter string   `json:"configuration_hash_after"`
	Plain     recorded `json:"response_without_flatten_errors"`
}

type recorded struct {
	Status  int
	Headers map[string]string
	Body    *string
	JSON    any `json:"body_json"`
}

func (r recorded) value(t *testing.T) any {
	t.Helper()
	if r.JSON != nil || r.Body == nil {
		return r.JSON
	}
	return parsed(t, []byte(*r.Body))
}

func parsed(t *testing.T, body []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return string(body)
	}
	return value
}

func recording[T any](t *testing.T, dir, name string) T {
	t.Helper()
	var out T
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func (tr transcript) replay(t *testing.T, g *kongtest.Gateway, path string) reply {
	t.Helper()
	url := map[string]string{"admin": g.AdminURL(), "status": g.StatusURL(), "proxy": g.ProxyURL()}[tr.Request.Listener]
	body := ""
	switch {
	case tr.Request.BodyBase64 != "":
		raw, err := base64.StdEncoding.DecodeString(tr.Request.BodyBase64)
		if err != nil {
			t.Fatal(err)
		}
		body = string(raw)
	case tr.Request.Body != nil:
		body = *tr.Request.Body
	}
	var header []string
	for name, value := range tr.Request.Headers {
		header = append(header, name, value)
	}
	return ask(t, tr.Request.Method, url+path, body, header...)
}

// sameRefusal compares an answer of 400 with the recorded one and returns what
// differs. The order of flattened errors and the words of the YAML parser are
// not part of it.
func sameRefusal(t *testing.T, got reply, want recorded) string {
	t.Helper()
	if got.status != want.Status {
		return fmt.Sprintf("got %d %s, want %d\n", got.status, got.body, want.Status)
	}
	return cmp.Diff(tidy(want.value(t)), tidy(parsed(t, got.body)))
}

// agreeingRefusal compares as sameRefusal does, but for the words.
func agreeingRefusal(t *testing.T, got reply, want recorded) string {
	t.Helper()
	if got.status != want.Status {
		return fmt.Sprintf("got %d %s, want %d\n", got.status, got.body, want.Status)
	}
	return cmp.Diff(wordless(want.value(t)), wordless(parsed(t, got.body)))
}

// wordless keeps of a refusal what fields of what entities it is about.
func wordless(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	var flat []string
	list, _ := object["flattened_errors"].([]any)
	for _, item := range list {
		entry, _ := item.(map[string]any)
		errs, _ := entry["errors"].([]any)
		for _, e := range errs {
			of, _ := e.(map[string]any)
			flat = append(flat, fmt.Sprintf("%v %v: %v %v", entry["entity_type"], entry["entity_name"], of["type"], of["field"]))
		}
	}
	slices.Sort(flat)
	return map[string]any{"code": object["code"], "name": object["name"], "fields": shape(object["fields"]), "errors": flat}
}

// shape hides the words of a tree of errors.
func shape(value any) any {
	switch value := value.(type) {
	case string:
		return "..."
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = shape(item)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for key, item := range value {
			object[key] = shape(item)
		}
		return object
	}
	return value
}

func tidy(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	object = maps.Clone(object)
	if list, ok := object["flattened_errors"].([]any); ok {
		for _, item := range list {
			if entry, ok := item.(map[string]any); ok {
				sortByText(entry["errors"])
				if id, _ := entry["entity_id"].(string); made(id) {
					blot(entry, id)
				}
			}
		}
		sortByText(list)
	}
	if fields, ok := object["fields"].(map[string]any); ok {
		if text, ok := fields["error"].(string); ok && strings.HasPrefix(text, "failed parsing declarative configuration: ") {
			object["fields"], object["message"] = "failed parsing", "failed parsing"
		}
	}
	object["fields"], object["message"] = blotText(object["fields"]), blotText(object["message"])
	return object
}

// made tells an id that was made from a name from one that was given or is random.
func made(id string) bool { return len(id) == 36 && id[14] == '5' }

// blot hides a made id: from which fields Kong makes those of plugins and the
// like is not known.
func blot(entry map[string]any, id string) {
	entry["entity_id"] = "made"
	if entity, ok := entry["entity"].(map[string]any); ok {
		entity["id"] = "made"
	}
	list, _ := entry["errors"].([]any)
	for _, item := range list {
		if e, ok := item.(map[string]any); ok {
			text, _ := e["message"].(string)
			e["message"] = strings.ReplaceAll(text, id, "made")
		}
	}
}

var madeForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// blotText hides made ids wherever they stand.
func blotText(value any) any {
	switch value := value.(type) {
	case string:
		return madeForm.ReplaceAllString(value, "made")
	case []any:
		for i := range value {
			value[i] = blotText(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = blotText(value[key])
		}
	}
	return value
}

func sortByText(value any) {
	list, _ := value.([]any)
	slices.SortFunc(list, func(a, b any) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return strings.Compare(string(x), string(y))
	})
}

// sameLoad compares an answer of 201: the same kinds, as many of each, and the
// ids that Kong makes from one natural key.
func sameLoad(t *testing.T, got reply, want recorded) {
	t.Helper()
	simulated, _ := parsed(t, got.body).(map[string]any)
	wanted, _ := want.value(t).(map[string]any)
	for kind := range wanted {
		have, _ := simulated[kind].(map[string]any)
		recordedOnes, _ := wanted[kind].(map[string]any)
		if len(have) != len(recordedOnes) {
			t.Errorf("%s: got %d, want %d", kind, len(have), len(recordedOnes))
		}
		for id, value := range recordedOnes {
			entity, _ := value.(map[string]any)
			switch kind {
			case "services", "routes", "consumers", "upstreams", "keyauth_credentials":
				if made(id) && have[id] == nil {
					t.Errorf("%s %v: %s is missing, got %v", kind, entity["name"], id, slices.Collect(maps.Keys(have)))
				}
			}
		}
	}
	if len(simulated) != len(wanted) {
		t.Errorf("got %d kinds, want %d", len(simulated), len(wanted))
	}
}

const baseline = `{"_format_version":"3.0","services":[{"name":"base","url":"http://127.0.0.1:9900","routes":[{"name":"base",` +
	`"paths":["/base"]}]}]}`

// replayConfigs replays a folder of POST /config transcripts, each on the
// baseline configuration. Those that are pending are known to differ; one that
// no longer does has to leave the list.
func replayConfigs(t *testing.T, folder string, pending map[string]string) {
	t.Helper()
	replayWith(t, kongtest.Start(t), folder, pending, sameRefusal)
}

// replayWithSchemas does so on a gateway that has the recorded schemas. Its words
// are its own: what must agree is which fields of which entities are refused.
func replayWithSchemas(t *testing.T, folder string, pending map[string]string) {
	t.Helper()
	replayWith(t, kongtest.Start(t, schemacheck.Dir(t, shared.SchemaDir(t))), folder, pending, agreeingRefusal)
}

// comparison returns what differs between an answer and the recorded one.
type comparison func(t *testing.T, got reply, want recorded) string

func replayWith(t *testing.T, g *kongtest.Gateway, folder string, pending map[string]string, compare comparison) {
	t.Helper()
	dir := filepath.Join(shared.Dir(t), "kong-contract", folder)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recordings in %s, %v", len(files), folder, err)
	}
	left := maps.Clone(pending)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if name == "index" {
			continue
		}
		delete(left, name)
		t.Run(name, func(t *testing.T) {
			differs := replayConfig(t, g, recording[transcript](t, dir, filepath.Base(file)), compare)
			reason, isPending := pending[name]
			switch {
			case isPending && differs == "":
				t.Errorf("pending for %q, but it answers as recorded by now", reason)
			case !isPending && differs != "":
				t.Errorf("the answer differs (-recorded +simulated):\n%s", differs)
			}
		})
	}
	for name := range left {
		t.Errorf("%s is listed as pending and not recorded", name)
	}
}

func replayConfig(t *testing.T, g *kongtest.Gateway, tr transcript, compare comparison) string {
	t.Helper()
	expect(t, ask(t, http.MethodPost, g.AdminURL()+"/config", baseline, "Content-Type", "text/yaml"), 201, "")
	before := g.Hash()
	got := tr.replay(t, g, tr.Request.Path)
	if want := tr.Response.Headers["Content-Type"]; got.status == tr.Response.Status && got.header.Get("Content-Type") != want {
		t.Errorf("Content-Type is %q, want %q", got.header.Get("Content-Type"), want)
	}
	if got.status == http.StatusCreated && tr.Response.Status == http.StatusCreated {
		sameLoad(t, got, tr.Response)
		if text := tr.Request.Body; text != nil && md5Hex(*text) == tr.HashAfter && g.Hash() != tr.HashAfter {
			t.Errorf("hash %s, want %s", g.Hash(), tr.HashAfter)
		}
		return ""
	}
	if got.status != http.StatusCreated && g.Hash() != before {
		t.Error("a refused configuration changed the hash")
	}
	differs := compare(t, got, tr.Response)
	if tr.Plain.Status != 0 {
		path, _, _ := strings.Cut(tr.Request.Path, "?")
		differs += compare(t, tr.replay(t, g, path), tr.Plain)
	}
	return differs
}

// deep is the reason of most differences: the check is that of a schema, and
// there the simulation has none.
const (
	deep  = "deep schema"
	words = "the words of PCRE and LuaJIT"
)

func TestReplayConfigEncoding(t *testing.T) {
	replayConfigs(t, "config-encoding", map[string]string{
		"body-over-10-mebibytes": "the body is not recorded; TestF17_BodyLimit stands for it",
		"json-invalid-utf8":      "the reader of JSON puts a replacement in the place of what is not UTF-8",
	})
}

func TestReplayConfigValid(t *testing.T) { replayConfigs(t, "config-valid", nil) }

// TestReplayConfigInvalid: every recorded refusal is one here too, about the same
// fields of the same entities.
func TestReplayConfigInvalid(t *testing.T) {
	replayWithSchemas(t, "config-invalid", nil)
}

func TestReplayConfigValidWithSchemas(t *testing.T) { replayWithSchemas(t, "config-valid", nil) }

func TestReplayConfigEncodingWithSchemas(t *testing.T) {
	replayWithSchemas(t, "config-encoding", map[string]string{
		"body-over-10-mebibytes": "the body is not recorded; TestF17_BodyLimit stands for it",
		"json-invalid-utf8":      "the reader of JSON puts a replacement in the place of what is not UTF-8",
	})
}

// TestReplayWordsWithoutSchemas: what the simulation refuses without schemas, it
// refuses in Kong's own words.
func TestReplayWordsWithoutSchemas(t *testing.T) {
	replayConfigs(t, "config-invalid", map[string]string{
		"ca-certificate-bad-pem":                        deep,
		"ca-certificate-not-a-ca":                       deep,
		"ca-certificate-two-certs":                      deep,
		"certificate-bad-pem":                           deep,
		"certificate-key-mismatch":                      deep,
		"credential-jwt-bad-rsa-key":                    deep,
		"credential-jwt-rs256-without-key":              deep,
		"credential-oauth2-bad-redirect-uri":            deep,
		"filter-chains-without-wasm":                    deep,
		"key-bad-jwk":                                   deep,
		"key-both-jwk-and-pem":                          deep,
		"key-set-and-key":                               deep,
		"key-unknown-set":                               deep,
		"nested-service-routes-plugins-bad-config":      deep,
		"plugin-acl-both-allow-and-deny":                deep,
		"plugin-acl-neither":                            deep,
		"plugin-acme-missing-email":                     deep,
		"plugin-ai-proxy-missing-model":                 deep,
		"plugin-bad-config-type":                        deep,
		"plugin-bad-protocols-for-plugin":               deep,
		"plugin-correlation-id-bad-enum":                deep,
		"plugin-cors-bad-method-and-regex":              deep,
		"plugin-hmac-auth-bad-algorithm":                deep,
		"plugin-http-log-bad-url":                       deep,
		"plugin-ip-restriction-bad-cidr":                deep,
		"plugin-ip-restriction-empty":                   deep,
		"plugin-jwt-bad-claim":                          deep,
		"plugin-missing-required-config":                deep,
		"plugin-oauth2-no-flow":                         deep,
		"plugin-pre-function-syntax-error":              words,
		"plugin-prometheus-unknown-metric-field":        deep,
		"plugin-proxy-cache-bad-ttl-and-strategy":       deep,
		"plugin-rate-limiting-no-limit":                 deep,
		"plugin-rate-limiting-order":                    deep,
		"plugin-rate-limiting-policy-cluster-in-dbless": deep,
		"plugin-rate-limiting-redis-missing-host":       deep,
		"plugin-rate-limiting-zero":                     deep,
		"plugin-request-termination-bad-status":         deep,
		"plugin-request-termination-body-and-message":   deep,
		"plugin-request-transformer-bad-format":         deep,
		"plugin-response-ratelimiting-empty-limits":     deep,
		"plugin-session-bad":                            deep,
		"route-bad-regex-path":                          words,
		"service-client-certificate-on-http":            deep,
		"service-tcp-with-path":                         deep,
		"service-tls-verify-on-http":                    deep,
		"sni-bad-wildcard":                              deep,
		"unknown-field-in-nested-plugin-config":         deep,
		"upstream-bad-name":                             deep,
		"upstream-hash-on-same-as-fallback":             deep,
		"upstream-healthcheck-bad-status":               deep,
		"upstream-name-is-ip":                           deep,
		"vault-bad-env-prefix":                          deep,
	})
}

// TestReplaySchemaValidate replays POST /schemas/{kind}/validate. The words are the
// simulation's own, the fields are Kong's.
func TestReplaySchemaValidate(t *testing.T) {
	g := kongtest.Start(t, schemacheck.Dir(t, shared.SchemaDir(t)))
	list := recording[[]transcript](t, filepath.Join(shared.Dir(t), "kong-contract"), "schema-validate/transcripts.json")
	for _, tr := range list {
		got := tr.replay(t, g, tr.Request.Path)
		if got.status != tr.Response.Status {
			t.Errorf("%s %s: got %d %s, want %d", tr.Request.Path, *tr.Request.Body, got.status, got.body, tr.Response.Status)
			continue
		}
		want, _ := tr.Response.value(t).(map[string]any)
		have, _ := parsed(t, got.body).(map[string]any)
		if want["code"] != have["code"] || want["name"] != have["name"] {
			t.Errorf("%s: got code %v and name %v, want %v and %v", tr.Request.Path, have["code"], have["name"], want["code"], want["name"])
		}
		if diff := cmp.Diff(shape(want["fields"]), shape(have["fields"])); diff != "" {
			t.Errorf("%s %s: fields differ (-recorded +simulated):\n%s", tr.Request.Path, *tr.Request.Body, diff)
		}
		if _, refused := want["fields"]; !refused && want["message"] != have["message"] {
			t.Errorf("%s: %v, want %v", tr.Request.Path, have["message"], want["message"])
		}
	}
	if len(list) < 50 {
		t.Errorf("only %d recordings", len(list))
	}
}

// TestReplayRouterRegexes: which regular expressions of a path a gateway takes.
func TestReplayRouterRegexes(t *testing.T) {
	type trial struct {
		Name   string
		Route  map[string]any
		Status int
	}
	g := kongtest.Start(t, schemacheck.Dir(t, shared.SchemaDir(t)))
	list := recording[[]trial](t, filepath.Join(shared.Dir(t), "kong-contract"), "behaviour/accepted-but-not-applied.json")
	for _, tr := range list {
		doc := map[string]any{"_format_version": "3.0", "services": []any{map[string]any{"name": "s", "url": "http://127.0.0.1:9900",
			"routes": []any{tr.Route}}}}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, http.MethodPost, g.AdminURL()+"/config?flatten_errors=1", string(text), "Content-Type", "text/yaml")
		if got.status != tr.Status {
			t.Errorf("%s: %v: got %d %s, want %d", tr.Name, tr.Route, got.status, got.body, tr.Status)
		}
	}
	if len(list) < 10 {
		t.Errorf("only %d recordings", len(list))
	}
}

// TestReplayRouterFlavors: what routes the other flavors take.
func TestReplayRouterFlavors(t *testing.T) {
	for _, flavor := range []string{"traditional", "expressions"} {
		g := kongtest.Start(t, kongtest.With(kongtest.Options{RouterFlavor: flavor}), schemacheck.Dir(t, schemaDir(t, flavor)))
		for _, tr := range recording[[]transcript](t, filepath.Join(shared.Dir(t), "kong-contract"), "behaviour/router-flavor-"+flavor+".json") {
			if tr.Request.Method != http.MethodPost {
				continue
			}
			got := tr.replay(t, g, tr.Request.Path)
			if got.status == http.StatusNotModified && tr.Response.Status == http.StatusCreated {
				continue
			}
			if differs := agreeingRefusal(t, got, tr.Response); differs != "" && tr.Response.Status != http.StatusCreated ||
				got.status != tr.Response.Status {
				t.Errorf("%s: %s: got %d, want %d:\n%s", flavor, tr.Note, got.status, tr.Response.Status, differs)
			}
		}
	}
}

// TestReplayLifecycle replays one recorded life of a node, in its order.
func TestReplayLifecycle(t *testing.T) {
	dir := filepath.Join(shared.Dir(t), "kong-contract")
	for _, name := range []string{"node/status_and_config_lifecycle.json", "node/other_endpoints.json", "behaviour/drain.json"} {
		g := kongtest.Start(t, kongtest.SwitchAfter(0))
		if strings.HasSuffix(name, "drain.json") {
			mustPost(t, g, baseline)
		}
		for _, tr := range recording[[]transcript](t, dir, name) {
			if reason := notAnswered(tr); reason != "" {
				continue
			}
			got := tr.replay(t, g, tr.Request.Path)
			where := tr.Request.Listener + " " + tr.Request.Method + " " + tr.Request.Path + " (" + tr.Note + ")"
			if got.status != tr.Response.Status {
				t.Errorf("%s: got %d %s, want %d", where, got.status, got.body, tr.Response.Status)
				continue
			}
			recordedBody, _ := tr.Response.value(t).(map[string]any)
			simulated, _ := parsed(t, got.body).(map[string]any)
			for _, key := range []string{"message", "configuration_hash", "code", "name", "fields"} {
				if diff := cmp.Diff(recordedBody[key], simulated[key]); diff != "" {
					t.Errorf("%s: %s differs (-recorded +simulated):\n%s", where, key, diff)
				}
			}
		}
	}
}

// TestReplayProofRoute posts the recorded reserved route of a node with two
// workers and asks it over fresh connections, as it was asked.
func TestReplayProofRoute(t *testing.T) {
	type round struct {
		transcript
		Then struct {
			Request   struct{ Path string }
			Responses []struct {
				JSON map[string]any `json:"body_json"`
			}
		}
	}
	tr := recording[round](t, filepath.Join(shared.Dir(t), "kong-contract"), "behaviour/proof-route.json")
	g := kongtest.Start(t, kongtest.Workers(2), kongtest.SwitchAfter(0))
	if got := tr.replay(t, g, tr.Request.Path); got.status != tr.Response.Status {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	seen := map[string]bool{}
	for range 12 {
		got := get(t, g.ProxyURL()+tr.Then.Request.Path, "Host", "silverback.internal")
		said, _ := json.Marshal(parsed(t, got.body))
		seen[string(said)] = true
	}
	for _, want := range tr.Then.Responses {
		said, _ := json.Marshal(want.JSON)
		if !seen[string(said)] {
			t.Errorf("nobody answered %s, but %v", said, slices.Collect(maps.Keys(seen)))
		}
	}
}

// notAnswered names the endpoints that the simulation leaves out, with the reason.
func notAnswered(tr transcript) string {
	path, _, _ := strings.Cut(tr.Request.Path, "?")
	switch {
	case tr.Request.Listener == "proxy" && tr.Response.Status == 200:
		return "the recorded upstream is not there"
	case path == "/endpoints", path == "/timers", path == "/tags", path == "/status/dns", strings.HasPrefix(path, "/debug/"), path == "/cache":
		return "nothing here asks for it"
	}
	return ""
}
