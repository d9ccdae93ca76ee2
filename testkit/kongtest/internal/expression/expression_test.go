package expression

import (
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

// TestExpressionsOfRoutes: what only the flavor "expressions" has.
func TestExpressionsOfRoutes(t *testing.T) {
	a := request.Request{
		Method: "GET", Host: "One.example", Path: "/a/b/c", Query: "?x=1&x=2&y", Port: 8000, SourceIP: "10.1.2.3", SourcePort: 9,
		Header: http.Header{"X-A": {"V1", "V2"}},
	}
	for source, want := range map[string]string{ // what matched of the path, "-" for nothing
		`http.path ^= "/a"`: "/a", `http.path == "/a/b/c"`: "/a/b/c", `http.path =^ "/c"`: "/c", `http.path ~ r#"/b"#`: "/b",
		`http.path contains "b"`:     "",
		`http.host == "one.example"`: "-", `lower(http.host) == "one.example"`: "",
		`http.headers.x_a == "V1"`: "-", `any(http.headers.x_a) == "V1"`: "", `any(lower(http.headers.x_a)) == "v2"`: "",
		`http.headers.x_a ^= "V"`: "",
		`http.headers.x_b != "V"`: "-", `any(http.queries.x) == "2"`: "",
		`http.queries.y == ""`: "", `net.dst.port == 8000 && net.port > 7999`: "",
		`net.src.ip in 10.0.0.0/8`: "", `net.src.ip not in 10.0.0.0/8`: "-", `net.src.ip == 10.1.2.3`: "", `http.path.segments.len == 3`: "",
		`http.path.segments.0 == "a"`: "", `http.path.segments.1_2 == "b/c"`: "",
		`http.method == "POST" && http.host == "x" || http.method == "GET"`: "-",
		`!(http.method == "POST") && net.protocol == "http"`:                "",
		`http.method == "POST" || http.method == "GET"`:                     "",
	} {
		expr, err := Parse(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		matched, ok := expr.Match(a)
		got := matched.Text
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	for _, source := range []string{`http.path ==`, `foo == 1`, `http.path == 1`, `net.dst.port == "a"`, `lower(net.dst.port) == 1`,
		`upper(http.path) == "a"`,
		`! http.path == "/"`, `http.path ~ "(?!a)"`, `http.path in 10.0.0.0/8`, `(http.path == "/"`, `http.path == "/" http.path == "/"`} {
		if _, err := Parse(source); err == nil {
			t.Errorf("%s is accepted", source)
		}
	}
}

// FuzzExpression feeds the parser of route expressions anything.
func FuzzExpression(f *testing.F) {
	f.Add(`http.host == "a" && (http.path ^= "/" || !(http.method != r#"GET"#))`)
	f.Fuzz(func(t *testing.T, source string) {
		if expr, err := Parse(source); err == nil && expr == nil && strings.TrimSpace(source) != "" {
			t.Error("no error and no expression")
		}
	})
}
