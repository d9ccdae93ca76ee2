package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
)

// TestWhatCanNeverMatchIsDoubted: gateways take these values, so they are no problems; but no request is as they say.
func TestWhatCanNeverMatchIsDoubted(t *testing.T) {
	for _, tt := range []struct {
		name, route, field, says string
	}{
		{"a path with a line feed", `paths: ["/a", "/orders\n"]`, "paths[1]",
			"holds a line feed, which only a request with %0A in its path has; remove it"},
		{"a path with both", `paths: ["/a\r\n"]`, "paths[0]", "holds a carriage return, which only a request with %0D"},
		{"a path with a tab", `paths: ["/a\tb"]`, "paths[0]", "holds a tab, which only a request with %09"},
		{"a path with another control character", `paths: ["/a\x01"]`, "paths[0]",
			"holds the control character 0x01, which only a request with %01"},
		{"a path with one beyond ASCII", `paths: ["/a\x85"]`, "paths[0]", "holds the control character 0x85, which only a request with %C2%85"},
		{"a regular expression with a line feed", `paths: ["~/a/\\d+\n"]`, "paths[0]", "holds a line feed"},
		{"a header with a line feed", `headers: {x-a: [one, "two\n"]}`, "headers.x-a[1]",
			"holds a line feed, which no header of a request may hold"},
		{"a header with a carriage return", `headers: {x-a: ["two\r"]}`, "headers.x-a[0]", "holds a carriage return, which no header"},
		{"a header with another control character", `headers: {x-a: ["\x7f"]}`, "headers.x-a[0]",
			"holds the control character 0x7f, which no header"},
		{"a header's expression with a line feed", `headers: {x-a: ["~*^a\n"]}`, "headers.x-a[0]", "holds a line feed"},
		{"an escape in an expression", `paths: ["~/a\\n"]`, "", ""},
		{"a header's expression on several lines", `headers: {x-a: ["~*(?ix)a\n|b"]}`, "", ""},
		{"a tab within a header", `headers: {x-a: ["a\tb"]}`, "", ""},
		{"other languages", `paths: ["/ü", "/\u00a0"], headers: {x-a: ["ü"]}`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "_format_version: \"3.0\"\nservices: [{name: s, host: h}]\nroutes:\n- name: orders\n  service: s\n  " + tt.route + "\n"
			if strings.Contains(tt.route, ", headers") {
				text = strings.Replace(text, ", headers", "\n  headers", 1)
			}
			result, problems := compile.New(compile.DefaultLimits()).Merge(map[compile.SourceID]*compile.Fragment{
				"main": parse(t, compile.New(compile.DefaultLimits()), "a.yaml", text),
			})
			if problems != nil {
				t.Fatalf("refused:\n%s", lines(problems))
			}
			if tt.field == "" {
				if len(result.Warnings) != 0 {
					t.Errorf("doubted:\n%s", lines(result.Warnings))
				}
				return
			}
			if len(result.Warnings) != 1 {
				t.Fatalf("got %d warnings", len(result.Warnings))
			}
			w := result.Warnings[0]
			want := fmt.Sprintf("a.yaml:6: route %q: %s: %s", "orders", tt.field, tt.says)
			if !strings.HasPrefix(w.String(), want) || w.Class != compile.BadValue || w.Column == 0 || w.Source != "main" {
				t.Errorf("got  %+v\nwant %s", w, want)
			}
		})
	}
}

// TestWhatGatewaysRefuseIsNotOnlyDoubted: the other values that requests are compared with have no room for control characters.
func TestWhatGatewaysRefuseIsNotOnlyDoubted(t *testing.T) {
	for _, route := range []string{`hosts: ["a.example\n"]`, `methods: ["GET\n"]`, `snis: ["a.example\n"]`} {
		_, problems := compile.New(compile.DefaultLimits()).Parse([]compile.Document{{
			Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\nroutes:\n- name: orders\n  " + route + "\n"),
		}})
		if len(problems) != 1 || problems[0].Class != compile.BadValue {
			t.Errorf("%s: %s", route, lines(problems))
		}
	}
}

// TestWarningsAreBounded: they are told a hundred at a time, and few more are made.
func TestWarningsAreBounded(t *testing.T) {
	text := "_format_version: \"3.0\"\nroutes:\n- paths:\n" + strings.Repeat("  - \"/a\\n\"\n", 20_000)
	f := parse(t, compile.New(compile.DefaultLimits()), "a.yaml", text)
	if n := len(f.Warnings); n != 101 || !strings.Contains(f.Warnings[100].Message, "901 more problems are not shown") {
		t.Errorf("%d warnings", n)
	}
}
