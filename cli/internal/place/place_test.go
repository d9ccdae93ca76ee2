package place_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/cli/internal/place"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const file = `_format_version: "3.0"
services:
- name: orders
  url: http://orders.internal
  routes:
  - name: orders
    methods: [GET]
    paths:
    - /a
    - ~/(
  plugins: [{name: pre-function, config: {access: [one]}}, {name: rate-limiting,
    config: {minute: 5, hour: 1}}]
plugins:
- name: pre-function
  config: &shared
    access:
    - return 1
    - return (
- name: post-function
  config: *shared
`

func TestAProblemStandsAtItsField(t *testing.T) {
	documents := []*translatorv1.Document{{Name: "a.yaml", Content: []byte(file)},
		{Name: "b.json", Content: []byte("{\n\"services\": [\n{\"name\": \"s\",\n \"host\": \"-\"}]}")},
		{Name: "c.yaml", Content: []byte("a: [")}}
	for _, tt := range []struct {
		name, source, document, field string
		line, want                    int32
	}{
		{"an element of a list", "s", "a.yaml", "paths[1]", 6, 10},
		{"a field", "", "a.yaml", "url", 3, 4},
		{"an element of a configuration", "s", "a.yaml", "config.access[1]", 14, 18},
		{"one that is not written down has the nearest", "s", "a.yaml", "config.access[7]", 14, 16},
		{"nothing of it is written down", "s", "a.yaml", "retries", 3, 3},
		{"several entities in a line: the first that has it", "s", "a.yaml", "config.access[0]", 11, 11},
		{"shared text is named where it is used", "s", "a.yaml", "config.access[1]", 19, 20},
		{"JSON", "s", "b.json", "host", 3, 4},
		{"another source", "t", "a.yaml", "paths[1]", 6, 6},
		{"another file", "s", "d.yaml", "paths[1]", 6, 6},
		{"a file that cannot be read", "s", "c.yaml", "a", 1, 1},
		{"no field", "s", "a.yaml", "", 6, 6},
		{"no line", "s", "a.yaml", "url", 0, 0},
	} {
		p := &fleetv1.Problem{Source: tt.source, Document: tt.document, Field: tt.field, Line: tt.line}
		if place.Fields("s", documents)(p); p.GetLine() != tt.want {
			t.Errorf("%s: line %d, want %d", tt.name, p.GetLine(), tt.want)
		}
	}
}
