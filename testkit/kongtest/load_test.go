package kongtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func newLoader() *loader {
	enabled := map[string]bool{}
	for _, name := range bundledPlugins() {
		enabled[name] = true
	}
	return &loader{now: time.Unix(1, 0), structure: structure{kinds: newKinds(), plugins: enabled, flavor: "traditional_compatible",
		lua: true}}
}

// FuzzLoad feeds the reader of configurations anything. It must come to a
// loaded configuration or to an answer that can be written, whatever it gets.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		`{"_format_version":"3.0"}`,
		`{"_format_version":"3.0","services":[{"name":"a","url":"http://h","routes":[{"paths":["~/x"],"plugins":[{"name":"cors"}]}]}]}`,
		`{"_format_version":"3.0","routes":[{"name":"r","service":"nosuch"},{"name":"r","service":{"name":"x"}}]}`,
		`{"_format_version":"3.0","plugins":[{"name":"pre-function","config":{"access":["return 1"]}}],"targets":[null]}`,
		"_format_version: \"3.0\"\nservices:\n- &s {name: yes, host: h}\n- <<: *s\n  name: z\n",
		"a: [b", "- a", "x: &x [*x]", "{", "\xff", "",
	} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, flatten bool) {
		doc, err := parseText(text)
		if err != nil {
			if errors.Is(err, errCrash) {
				return
			}
			marshal(unparsed(err.Error()))
			return
		}
		l, err := newLoader().load(doc, flatten)
		var no *refused
		switch {
		case errors.As(err, &no):
			marshal(no.body)
		case err == nil && l.router == nil:
			t.Error("loaded without a router")
		case err != nil && !errors.Is(err, errCrash):
			t.Errorf("an error without an answer: %v", err)
		}
	})
}

// FuzzExpression feeds the reader of route expressions anything.
func FuzzExpression(f *testing.F) {
	f.Add(`http.host == "a" && (http.path ^= "/" || !(http.method != r#"GET"#))`)
	f.Fuzz(func(t *testing.T, source string) {
		if expr, err := parseExpression(source); err == nil && expr == nil && strings.TrimSpace(source) != "" {
			t.Error("no error and no expression")
		}
	})
}

// TestABombDoesNotGoOff: a YAML text of a few hundred bytes must not become
// gigabytes.
func TestABombDoesNotGoOff(t *testing.T) {
	var bomb bytes.Buffer
	bomb.WriteString("_format_version: \"3.0\"\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i, i, i, i, i, i)
	}
	if _, err := parseText(bomb.Bytes()); err == nil {
		t.Error("the bomb was accepted")
	}
}

// BenchmarkLoad is one POST of 10,000 routes without the HTTP around it.
func BenchmarkLoad(b *testing.B) {
	text := manyRoutes(10_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		doc, err := parseText(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := newLoader().load(doc, true); err != nil {
			b.Fatal(err)
		}
	}
}

func manyRoutes(n int) []byte {
	var out bytes.Buffer
	out.WriteString(
		`{"_format_version":"3.0","services":[{"host":"127.0.0.1","id":"11111111-1111-4111-8111-111111111111","name":"s","port":9}],"routes":[`)
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out,
			`{"hosts":["h%d.example.com"],"id":"00000000-0000-4000-8000-%012d","methods":["GET","POST"],"name":"route-%d","paths":["/api/v1/resource-%d"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,"service":{"id":"11111111-1111-4111-8111-111111111111"},"strip_path":true,"tags":["team-%d","generated"]}`, i%50, i, i, i, i%9)
	}
	out.WriteString("]}\n")
	return out.Bytes()
}
