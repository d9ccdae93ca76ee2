package compile_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
)

// TestProblemsStandWhereTheirFieldsDo looks for fields in a document that also has them in shared configs, in defaults and in shorthands.
func TestProblemsStandWhereTheirFieldsDo(t *testing.T) {
	const text = `_format_version: "3.0"
_info:
  defaults:
    route:
      https_redirect_status_code: 301
_plugin_configs:
  slow:
    minute: 1
    redis:
      host: h
services:
- name: orders
  url: http://orders.internal
  tags: [a,
    b]
  routes:
  - name: list
    paths:
    - /list
    - /all
    headers:
      x-y: [one]
  plugins:
  - name: rate-limiting
    _config: slow
    config:
      hour: 2
      x.y: [one]
`
	docs := []compile.Document{{Name: "a.yaml", Content: []byte(text)}, {Name: "b.json",
		Content: []byte("{\"_format_version\": \"3.0\",\n\"consumers\": [{\"username\":\n\"a\", \"tags\": [\n\"t\"]}]}")}}
	c := compile.New(compile.DefaultLimits())
	_, result, problems, err := build(c, docs)
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v\n%s", err, lines(problems))
	}
	for _, tt := range []struct {
		name, kind, field string
		class             compile.Class
		line              int
	}{
		{"an element of a list", "route", "paths[1]", compile.BadValue, 20},
		{"an element of a list in brackets", "service", "tags[1]", compile.BadValue, 15},
		{"a key with a dot", "plugin", "config.x.y[0]", compile.BadValue, 28},
		{"an element that is not there", "route", "paths[7]", compile.BadValue, 18},
		{"a missing field of a record", "plugin", "config.redis.port", compile.MissingField, 26},
		{"a field of the plugin", "plugin", "config.hour", compile.WrongType, 27},
		{"a field of the shared config", "plugin", "config.minute", compile.WrongType, 8},
		{"a nested field of the shared config", "plugin", "config.redis.host", compile.BadValue, 10},
		{"a field from defaults", "route", "https_redirect_status_code", compile.BadValue, 5},
		{"a field of a shorthand", "service", "host", compile.BadValue, 13},
		{"a field that is nowhere", "route", "snis", compile.BadValue, 17},
		{"the whole entity", "service", "", compile.BadValue, 12},
		{"a field in JSON", "consumer", "tags[0]", compile.BadValue, 4},
	} {
		var p compile.Problem
		for _, from := range result.Origins {
			if from.Kind == tt.kind {
				p = compile.Problem{Document: from.Document, Line: from.Line, Column: from.Column, Kind: from.Kind, Field: tt.field, Class: tt.class}
			}
		}
		found := []compile.Problem{p}
		c.Locate(docs, found)
		if found[0].Line != tt.line {
			t.Errorf("%s: %s of the %s is in line %d, want %d", tt.name, tt.field, tt.kind, found[0].Line, tt.line)
		}
	}
}
