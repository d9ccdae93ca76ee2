package suite

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/process"
)

const (
	badService = "_format_version: \"3.0\"\nservices:\n- name: orders\n  url: http://orders.internal\n  retires: 5\n"
	twoRoutes  = "_format_version: \"3.0\"\nroutes:\n- name: orders\n  paths: [/orders]\n- name: orders\n  paths: [/others]\n"
	dangling   = "_format_version: \"3.0\"\nroutes:\n- name: orders\n  paths: [/orders]\n  service: {name: nobody}\n"
	secret     = "_format_version: \"3.0\"\nconsumers:\n- username: partner\n  keyauth_credentials:\n  - key: hunter2-is-secret\n    " +
		"colour: red\n"
)

// bomb is small and would be huge.
func bomb() string {
	var b strings.Builder
	b.WriteString("_format_version: \"3.0\"\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}

// badFiles submits what cannot be taken. Each must be refused with words, and change nothing.
func badFiles(t *testing.T, f *Fleet) {
	f.apply(t, 0, nil, Write(t, "good.yaml", Shop(f.Upstream, "good")))
	revisions := Revisions(t, f.CLI, f.Group)
	for _, tt := range []struct {
		name, file, text string
		code             int
		say              []string
	}{
		{name: "an unknown field", file: "a.yaml", text: badService, code: 2,
			say: says(`a.yaml:5: service "orders": retires: unknown field; did you mean "retries"?`)},
		{name: "a name twice", file: "a.yaml", text: twoRoutes, code: 2, say: says(`a.yaml:5: route "orders": name: `)},
		{name: "a dangling reference", file: "a.yaml", text: dangling, code: 2,
			say: says(`a.yaml:5: route "orders": service: there is no service "nobody"`)},
		{name: "a secret stays one", file: "a.yaml", text: secret, code: 2, say: says("a.yaml:6: ", "colour: unknown field")},
		{name: "nothing", file: "a.yaml", text: "", code: 2, say: says("a.yaml")},
		{name: "a comment", file: "a.yaml", text: "# soon\n", code: 2, say: says("a.yaml")},
		{name: "binary junk", file: "a.yaml", text: "\x7fELF\x00\x01\xff\xfe\x00 \x80\x81", code: 2, say: says("a.yaml")},
		{name: "JSON cut off", file: "a.json", text: `{"_format_version":"3.0","services":[{"name":"a"`, code: 2, say: says("a.json:1")},
		{name: "a YAML bomb", file: "a.yaml", text: bomb(), code: 2, say: says("a.yaml")},
		{name: "deep nesting", file: "a.yaml", text: strings.Repeat("[", 200_000), code: 2, say: says("a.yaml")},
		{name: "a shrinking group", file: "a.yaml", text: "_format_version: \"3.0\"\n", code: 1, say: says("allow_shrink")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := Write(t, tt.file, tt.text)
			r := f.apply(t, tt.code, tt.say, path)
			t.Log(strings.ReplaceAll(r.Stderr, filepath.Dir(path)+"/", ""))
			if strings.Contains(r.Stdout+r.Stderr, "hunter2") {
				t.Errorf("the refusal tells a secret: %s", r.Stderr)
			}
			if strings.Contains(r.Stderr, "goroutine ") || strings.Contains(r.Stderr, "rpc error") {
				t.Errorf("the refusal is not for people: %s", r.Stderr)
			}
			Untouched(t, f.CLI, f.Group, f.Gateways, int64(revisions))
		})
	}
}

// Untouched fails the test unless a group has so many revisions, and every gateway serves the newest of them with the route /good.
func Untouched(t *testing.T, cli process.CLI, group string, gateways []*process.Gateway, revisions int64) {
	t.Helper()
	if n := Revisions(t, cli, group); int64(n) != revisions {
		t.Errorf("%d revisions, want %d", n, revisions)
	}
	for _, g := range gateways {
		if err := g.Serves(revisions); err != nil {
			t.Error(err)
		}
	}
	Routed(t, gateways, "/good", http.StatusOK)
}
