package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// kongOf is a Kong with one plugin, whose configuration has the given fields.
func kongOf(t *testing.T, version, fields, shorthands string) *Bundle {
	t.Helper()
	b, err := New(Texts{KongVersion: version,
		Entities: map[string]json.RawMessage{
			"routes":  json.RawMessage(`{"fields":[{"name":{"type":"string"}},{"strip_path":{"type":"boolean","required":true,"default":true}}]}`),
			"plugins": json.RawMessage(`{"fields":[{"name":{"type":"string","required":true}},{"config":{"type":"record","abstract":true}}]}`),
		},
		Plugins: map[string]json.RawMessage{"limit": json.RawMessage(`{"fields":[{"config":{"type":"record","required":true,"fields":[` + fields +
			`],"shorthand_fields":[` + shorthands + `]}}]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatMeansSomethingElse(t *testing.T) {
	const redis = `{"redis":{"type":"record","required":true,"fields":[{"host":{"type":"string"}},{"port":{"type":"integer","default":%s}}]}}`
	const hosts = `{"hosts":{"type":"array","elements":{"type":"record","fields":[{"port":{"type":"integer","default":%s}}]}}}`
	const users = `{"users":{"type":"map","keys":{"type":"string"},"values":{"type":"record","fields":[` +
		`{"age":{"type":"integer","default":%s}}]}}}`
	const gone = `,"deprecation":{"message":"limit: old","replaced_with":[{"path":["redis","host"]}],"removal_in_version":"4.0"}`
	for _, tt := range []struct {
		name, was, is, shorthand, config string
		want                             []string
	}{
		{name: "nothing", was: `{"a":{"type":"string","default":"x"}}`, is: `{"a":{"type":"string","default":"x"}}`},
		{name: "a default", was: `{"a":{"type":"string","default":"x"}}`, is: `{"a":{"type":"string","default":"y"}}`,
			want: []string{`1 config.a: the default was "x", and is "y"`}},
		{name: "a default that is not used", was: `{"a":{"type":"string","default":"x"}}`, is: `{"a":{"type":"string","default":"y"}}`,
			config: `{"a":"z"}`},
		{name: "a default that comes", was: `{"a":{"type":"integer"}}`, is: `{"a":{"type":"integer","default":7}}`,
			want: []string{`1 config.a: the default was none, and is 7`}},
		{name: "a default that goes", was: `{"a":{"type":"boolean","default":true}}`, is: `{"a":{"type":"boolean"}}`,
			want: []string{`1 config.a: the default was true, and is none`}},
		{name: "a set in another order", was: `{"a":{"type":"set","elements":{"type":"string"},"default":["x","y"]}}`,
			is: `{"a":{"type":"set","elements":{"type":"string"},"default":["y","x"]}}`},
		{name: "a list", was: `{"a":{"type":"array","elements":{"type":"string"},"default":["x"]}}`,
			is:   `{"a":{"type":"array","elements":{"type":"string"},"default":["x","y"]}}`,
			want: []string{`1 config.a: the default was ["x"], and is ["x","y"]`}},
		{name: "a secret default is not told", was: `{"a":{"type":"string","encrypted":true,"default":"x"}}`,
			is: `{"a":{"type":"string","encrypted":true,"default":"y"}}`},
		{name: "a field that goes", was: `{"a":{"type":"string","default":"x"}}`, is: `{"b":{"type":"string"}}`,
			want: []string{`2 config.a: the field is gone, and its default "x" with it`}},
		{name: "a field without a default that goes", was: `{"a":{"type":"string"}}`, is: `{"b":{"type":"string"}}`},
		{name: "a field that comes", was: `{"a":{"type":"string"}}`, is: `{"a":{"type":"string"}},{"b":{"type":"integer","default":3}}`,
			want: []string{`4 config.b: new, with the default 3`}},
		{name: "a type", was: `{"a":{"type":"string"}}`, is: `{"a":{"type":"any"}}`, config: `{"a":"5"}`,
			want: []string{`3 config.a: was string, and is any`}},
		{name: "in a record that Kong fills in", was: fmt.Sprintf(redis, "1"), is: fmt.Sprintf(redis, "2"),
			want: []string{`1 config.redis.port: the default was 1, and is 2`}},
		{name: "in a record that is given", was: fmt.Sprintf(redis, "1"), is: fmt.Sprintf(redis, "2"), config: `{"redis":{"host":"h"}}`,
			want: []string{`1 config.redis.port: the default was 1, and is 2`}},
		{name: "in a record that is not filled in", was: `{"r":{"type":"record","fields":[{"p":{"type":"integer","default":1}}]}}`,
			is: `{"r":{"type":"record","fields":[{"p":{"type":"integer","default":2}}]}}`},
		{name: "in a list", was: fmt.Sprintf(hosts, "1"), is: fmt.Sprintf(hosts, "2"), config: `{"hosts":[{"port":9},{}]}`,
			want: []string{`1 config.hosts[1].port: the default was 1, and is 2`}},
		{name: "in a map", was: fmt.Sprintf(users, "1"), is: fmt.Sprintf(users, "2"), config: `{"users":{"ann":{}}}`,
			want: []string{`1 config.users.ann.age: the default was 1, and is 2`}},
		{name: "a deprecated field", was: `{"a":{"type":"string"}}`, is: `{"a":{"type":"string"` + gone + `}}`, config: `{"a":"x"}`,
			want: []string{`5 config.a: deprecated: use redis.host; gone in 4.0`}},
		{name: "a deprecated field that is not given", was: `{"a":{"type":"string"}}`, is: `{"a":{"type":"string"` + gone + `}}`},
		{name: "a shorthand for a default that changed", was: fmt.Sprintf(redis, "1"), is: fmt.Sprintf(redis, "2"),
			shorthand: `{"redis_host":{"type":"string"` + gone + `}}`, config: `{"redis_host":"h"}`,
			want: []string{`5 config.redis_host: deprecated: use redis.host; gone in 4.0`}},
	} {
		was, is := kongOf(t, "3.9.3", tt.was, ""), kongOf(t, "3.10.0.1", tt.is, tt.shorthand)
		plugin := map[string]any{"name": "limit"}
		if tt.config != "" {
			var config any
			if err := json.Unmarshal([]byte(tt.config), &config); err != nil {
				t.Fatal(tt.name, err)
			}
			plugin["config"] = config
		}
		var got []string
		for _, c := range is.Changes(was, "plugin", plugin) {
			got = append(got, fmt.Sprintf("%d %s: %s", c.Meaning, c.Path, c.Message))
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		for _, c := range is.Changes(nil, "plugin", plugin) {
			if c.Meaning != Deprecated {
				t.Errorf("%s: without an earlier Kong: %v", tt.name, c)
			}
		}
	}
}

func TestOnlyWhatBothKnowIsCompared(t *testing.T) {
	b := kongOf(t, "3.9.3", `{"a":{"type":"string","default":"x"}}`, "")
	for kind, name := range map[string]string{"plugin": "other", "vault": "env", "unheard": ""} {
		if got := b.Changes(b, kind, map[string]any{"name": name}); got != nil {
			t.Errorf("%s %s: %v", kind, name, got)
		}
	}
	if got := b.Changes(b, "route", map[string]any{"name": "r"}); got != nil {
		t.Errorf("a route: %v", got)
	}
}
