package schema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// recordedBundle is made of the schemas of a real Kong 3.9.3, which stand beside the
// repository.
func recordedBundle(t *testing.T) *schema.Bundle {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "kong-contract", "schemas")
	texts := schema.Texts{KongVersion: "3.9.3", Entities: map[string]json.RawMessage{}, Plugins: map[string]json.RawMessage{},
		Vaults: map[string]json.RawMessage{}}
	for folder, into := range map[string]map[string]json.RawMessage{"entities": texts.Entities, "plugins": texts.Plugins,
		"vaults": texts.Vaults} {
		files, _ := filepath.Glob(filepath.Join(dir, folder, "*.json"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(file)
			into[name[:len(name)-len(".json")]] = text
		}
	}
	if len(texts.Plugins) == 0 {
		t.Skip("no recorded schemas: ../shared is not beside the project")
	}
	bundle, err := schema.New(texts)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// TestRulesInPluginsOwnCode: what a real Kong 3.9.3 answered, where its schemas do not
// say why.
func TestARealKongMeansTheSameAsItself(t *testing.T) {
	b := recordedBundle(t)
	if len(b.Plugins()) < 30 {
		t.Fatal("the recorded Kong has hardly any plugin")
	}
	for _, name := range b.Plugins() {
		plugin := map[string]any{"name": name, "config": map[string]any{}}
		if got := b.Changes(b, "plugin", plugin); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	redis := map[string]any{"name": "rate-limiting", "config": map[string]any{"minute": 5, "redis_host": "cache"}}
	if got := b.Changes(b, "plugin", redis); len(got) != 1 || got[0].Meaning != schema.Deprecated ||
		got[0].Message != "deprecated: use redis.host; gone in 4.0" {
		t.Errorf("an old word for the host of Redis: %v", got)
	}
}

func TestRulesInPluginsOwnCode(t *testing.T) {
	b := recordedBundle(t)
	for _, c := range []struct {
		plugin         string
		taken, refused []string
	}{
		{
			"rate-limiting", []string{
				`{"minute":1,"sync_rate":-1}`, `{"second":1,"minute":1}`, `{"minute":1,"policy":"redis","redis":{"host":"h"},"sync_rate":0.02}`,
				`{"minute":1,"policy":"redis","redis_host":"h","sync_rate":5}`,
			},
			[]string{
				`{"minute":1,"sync_rate":1}`, `{"minute":1,"policy":"local","sync_rate":0}`,
				`{"minute":1,"policy":"redis","redis":{"host":"h"},"sync_rate":0.01}`,
				`{"minute":1,"policy":"redis","redis":{"host":"h"},"sync_rate":-2}`, `{"second":5,"minute":1}`, `{"second":5,"year":1}`,
			},
		},
		{
			"request-transformer", []string{
				`{"add":{"querystring":["a:$(headers.x)"]}}`, `{"add":{"headers":["a:$(1+)"]}}`, `{"replace":{"uri":"$(1+)"}}`,
				`{"add":{"body":["a:$x"]}}`, `{"add":{"body":["a:b:c"]}}`,
				`{"rename":{"headers":["a:b"]}}`, `{"add":{"body":["a:$(x"]}}`, `{"remove":{"headers":["x-a"]}}`,
			},
			[]string{
				`{"add":{"querystring":["a:$(1+)"]}}`, `{"append":{"body":["a:x$(if)y"]}}`, `{"add":{"headers":["a b:c"]}}`,
				`{"rename":{"headers":["a:b c"]}}`, `{"add":{"body":["a"]}}`,
				`{"add":{"body":["a:"]}}`, `{"rename":{"querystring":[":b"]}}`, `{"remove":{"headers":["a b"]}}`, `{"replace":{"body":["a:$()"]}}`,
				`{"add":{"body":["a:$(x --)"]}}`,
			},
		},
		{"response-transformer", []string{`{"rename":{"headers":["a:b"]}}`, `{"add":{"headers":["a b:c"]}}`},
			[]string{`{"rename":{"headers":["a:b c"]}}`, `{"rename":{"headers":["a b:c"]}}`}},
		{
			"http-log", []string{
				`{"http_endpoint":"http://u:p@a"}`, `{"http_endpoint":"http://a","headers":{"authorization":"x"}}`,
				`{"http_endpoint":"http://u@a","headers":{"x":"y"}}`,
				`{"http_endpoint":"http://a","custom_fields_by_lua":{"a":"return 1"}}`,
			},
			[]string{`{"http_endpoint":"http://u:p@a","headers":{"Authorization":"x"}}`,
				`{"http_endpoint":"http://a","custom_fields_by_lua":{"a":"return (1"}}`, `{"http_endpoint":"http:/a"}`},
		},
		{
			"request-termination", []string{`{"echo":true}`, `{"echo":false,"body":"x"}`, `{"message":"m","echo":true}`,
				`{"body":"b","content_type":"c"}`},
			[]string{`{"echo":true,"body":"x"}`, `{"echo":true,"content_type":"c"}`, `{"message":"m","body":"b"}`, `{"content_type":"c"}`},
		},
		{"zipkin", []string{`{"static_tags":[{"name":"a","value":"b"},{"name":"b","value":"b"}]}`},
			[]string{`{"static_tags":[{"name":"a","value":"b"},{"name":"a","value":"c"}]}`,
				`{"propagation":{"default_format":"b3","clear":["a b"]}}`}},
		{"aws-lambda", []string{`{"function_name":"f","proxy_url":"http://a:1"}`},
			[]string{`{"function_name":"f","proxy_url":"https://a"}`, `{"function_name":"f","aws_region":"a b"}`}},
		{"response-ratelimiting", []string{`{"limits":{"a":{"minute":1}},"redis_host":"h"}`},
			[]string{`{"limits":{"a":{"minute":1}},"redis_host":"a b"}`, `{"limits":{"a":{"minute":1}},"redis_port":-1}`}},
		{"session", []string{`{"secret":"s","cookie_samesite":"Lax"}`, `{"secret":"s","cookie_samesite":"off"}`},
			[]string{`{"secret":"s","cookie_samesite":"x"}`}},
		{"redirect", []string{`{"location":"https://a/b"}`}, []string{`{"location":"/a"}`}},
		{"acme", []string{`{"account_email":"a@b.c","domains":["*.a"]}`}, []string{`{"account_email":"a@b.c","storage":"kong"}`,
			`{"account_email":"a@b.c","storage_config":{"redis":{"extra_options":{"namespace":"kong_acme:cert_key:"}}}}`}},
		{
			"ai-proxy", []string{`{"route_type":"llm/v1/chat","model":{"provider":"openai"},"auth":{"param_name":"{vault://env/x}"}}`,
				`{"route_type":"llm/v1/chat","logging":{"log_statistics":true},"model":{"provider":"anthropic","options":{"anthropic_version":"1"}}}`},
			[]string{
				`{"route_type":"llm/v1/completions","logging":{"log_statistics":true},"model":{"provider":"anthropic",` +
					`"options":{"anthropic_version":"1"}}}`,
				`{"route_type":"llm/v1/chat","model":{"provider":"openai","options":{"upstream_url":"a"}}}`,
				`{"route_type":"llm/v1/chat","model":{"provider":"openai"},"auth":{"param_name":"a"}}`,
			},
		},
		{"pre-function", []string{`{"access":["return function() end","x = 1LL"]}`},
			[]string{`{"access":["return ("]}`, `{"log":["x = '\\q'"]}`, `{"rewrite":["${x}"]}`}},
		{"post-function", []string{`{"log":["goto a; ::a::"]}`}, []string{`{"header_filter":["return 1","end"]}`}},
		{"cors", []string{`{"origins":["*","(?=a)b"]}`}, []string{`{"origins":["~("]}`, `{"origins":["*.a"]}`}},
		{"key-auth", []string{`{"key_names":["a\n"]}`}, []string{`{"key_names":["a\n\n"]}`, `{"key_names":["\n"]}`, `{"key_names":["a.b"]}`}},
		{"bot-detection", []string{`{"allow":["a++"]}`}, []string{`{"deny":["a**"]}`}},
	} {
		judge := func(config string, want bool) {
			var value map[string]any
			if err := json.Unmarshal([]byte(config), &value); err != nil {
				t.Fatal(err)
			}
			found, err := b.Check(t.Context(), schema.BudgetFor(1, len(config)), "plugin", map[string]any{"name": c.plugin, "config": value})
			if err != nil || (len(found) == 0) != want {
				t.Errorf("%s %s: taken is to be %v, got %v %v", c.plugin, config, want, found, err)
			}
		}
		for _, config := range c.taken {
			judge(config, true)
		}
		for _, config := range c.refused {
			judge(config, false)
		}
	}
}

// TestRulesOfEntitiesInKongsOwnCode: likewise of entities.
func TestRulesOfEntitiesInKongsOwnCode(t *testing.T) {
	b := recordedBundle(t)
	for _, c := range []struct {
		kind           string
		taken, refused []string
	}{
		{
			"jwt_secret", []string{`{"consumer":"c","key":"k","algorithm":"HS256","rsa_public_key":"x"}`,
				`{"consumer":"c","key":"k","algorithm":"ES256","rsa_public_key":"x"}`, `{"consumer":"c","key":"k","rsa_public_key":"x"}`},
			[]string{`{"consumer":"c","key":"k","algorithm":"RS256","rsa_public_key":"x"}`, `{"consumer":"c","key":"k","algorithm":"PS512"}`,
				`{"consumer":"c","key":"k","algorithm":"EdDSA","rsa_public_key":"x"}`},
		},
		{
			"service", []string{`{"host":"-a"}`, `{"host":"a."}`, `{"host":"[::1]"}`, `{"url":"//a/b"}`, `{"url":"http://a#b"}`,
				`{"url":"http://a:0x50"}`, `{"host":"a","protocol":"tls_passthrough","path":"/a"}`, `{"host":"a","id":null}`,
				`{"host":"a","updated_at":"x"}`},
			[]string{
				`{"host":"a","created_at":"x"}`,
				`{"host":"1.2"}`, `{"host":"a-.b"}`, `{"host":"a:80"}`, `{"host":"[::1]:"}`, `{"url":"http://a?x=1"}`, `{"url":"http://a:"}`,
				`{"url":"HTTP://a"}`, `{"url":""}`, `{"host":"a","port":null}`,
				`{"host":"a","protocol":"tcp","path":"/a"}`,
			},
		},
		{
			"route", []string{
				`{"paths":["~/a%zz"]}`, `{"paths":["/a b%zz"]}`, `{"paths":["~/[a-z&&[^b]]"]}`, `{"paths":["/a"],"headers":{"x":["~*\\W"]}}`,
				`{"hosts":["*.1"]}`, `{"hosts":["1.2.3.*"]}`, `{"protocols":["https"],"snis":["a*"]}`,
				`{"protocols":["tcp"],"sources":[{"ip":"1.2.3.4/8"}]}`, `{"protocols":["tcp"],"sources":[{"ip":"fe80::/10"}]}`,
			},
			[]string{
				`{"paths":["/a%zz"]}`, `{"paths":["~/(?=a)"]}`, `{"paths":["~/\\p{IsGreek}"]}`, `{"paths":["~/\\u0041"]}`,
				`{"paths":["/a"],"headers":{"x":[]}}`, `{"paths":["/a"],"headers":{"x":["~*(?P<n>a)"]}}`,
				`{"protocols":["tcp"],"sources":[{"ip":"1.2.3.4/0"}]}`, `{"protocols":["tcp"],"sources":[{"ip":"[::1]"}]}`,
				`{"protocols":["tcp"],"destinations":[{"ip":"fe80::1/10"}]}`,
				`{"protocols":["tcp"],"destinations":[{"ip":"::ffff:1.2.3.4"}]}`, `{"paths":["/a"],"strip_path":null}`,
			},
		},
		{
			"upstream", []string{`{"name":"u","hash_on":"cookie","hash_on_cookie":"a"}`, `{"name":"u","hash_on":null}`},
			[]string{`{"name":"u","hash_on":"cookie","hash_on_cookie":"a b"}`, `{"name":"u","hash_on":"cookie","hash_on_cookie":"ü"}`,
				`{"name":"1.2.3.4"}`, `{"name":"u","algorithm":""}`, `{"name":"u","healthchecks":null}`},
		},
		{"plugin", []string{`{"name":"rate-limiting","consumer":"c","config":{"minute":1}}`,
			`{"name":"opentelemetry","config":{"endpoint":"http://a"}}`}, []string{`{"name":"key-auth","consumer":"c"}`,
			`{"name":"acme","service":"s","config":{"account_email":"a@b"}}`, `{"name":"cors","config":null}`}},
	} {
		for i, text := range append(c.taken, c.refused...) {
			var value map[string]any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			found, err := b.Check(t.Context(), schema.BudgetFor(1, len(text)), c.kind, value)
			if want := i < len(c.taken); err != nil || (len(found) == 0) != want {
				t.Errorf("%s %s: taken is to be %v, got %v %v", c.kind, text, want, found, err)
			}
		}
	}
}

// TestWhatGatewaysFailOn is told apart: they answer 500 to it (F14).
func TestWhatGatewaysFailOn(t *testing.T) {
	b := recordedBundle(t)
	for text, want := range map[string]bool{`{"host":"[::1]:"}`: true, `{"url":5}`: true, `{"url":""}`: true, `{"host":"a:80"}`: false,
		`{"host":5}`: false} {
		var value map[string]any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		found, err := b.Check(t.Context(), schema.BudgetFor(1, len(text)), "service", value)
		fatal := false
		for _, e := range found {
			fatal = fatal || e.Fatal
		}
		if err != nil || len(found) == 0 || fatal != want {
			t.Errorf("%s: fails: %v, want %v (%v %v)", text, fatal, want, found, err)
		}
	}
}
