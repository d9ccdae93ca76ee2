package kongtest

import (
	"net/http"
	"testing"
)

func TestNormalPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "//a": "/a", "/a//b": "/a/b", "/a/": "/a/", "/a/./b": "/a/b", "/a/.": "/a/", "/a/..": "/", "/a/../b": "/b", "/a/%2e%2E/b": "/b",
		"/%61": "/a", "/a%2fb": "/a%2Fb", "/%c3%bc": "/\u00fc", "/a%20b": "/a b", "/a//../b": "/b", "/a/..//b": "/b", "/%2561": "/%2561",
		"/a.b": "/a.b",
	} {
		if got := normalPath(path); got != want {
			t.Errorf("%s becomes %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]bool{"/a/../b": false, "/..": true, "/a/../../b": true, "/%2e%2e/a": true, "//../a": true,
		"/a/./..":      false,
		"/a%2F..%2F..": true, "/%2f../a": true, "/x//../../a": true, "/a/...": false, "/..a": false} {
		if got := climbs(path); got != want {
			t.Errorf("%s leaves the root: %v, want %v", path, got, want)
		}
	}
	if got := escapedPath("/\u00fc b%2F\"(x)"); got != "/%C3%BC%20b%2F%22(x)" {
		t.Errorf("escaped: %s", got)
	}
}

func TestUpstreamPaths(t *testing.T) {
	for _, c := range []struct {
		base, path string
		strip      int // -1: strip_path is off
		want       string
	}{
		{"", "/a/b", 2, "/b"}, {"", "/a", 2, "/"}, {"", "/ab", 2, "/b"}, {"", "/a", -1, "/a"}, {"", "/a/", 3, "/"}, {"", "/a", 0, "/a"},
		{"/base", "/a", 2, "/base"}, {"/base", "/a/", 3, "/base/"}, {"/base", "/a/", 2, "/base/"}, {"/base", "/a/b", 2, "/base/b"},
		{"/base", "/ab", 2, "/base/b"}, {"/base", "/", 1, "/base"}, {"/base", "/", -1, "/base"}, {"/base", "/a", -1, "/base/a"},
		{"/base/", "/a", 2, "/base"}, {"/base/", "/a/", 3, "/base/"}, {"/base/", "/a/b", 2, "/base/b"}, {"/base/", "/ab", 2, "/base/b"},
		{"/base/", "/", -1, "/base/"}, {"/base/", "/a", -1, "/base/a"}, {"/base", "/a..", 2, "/base"}, {"/base", "/a../b", 2, "/base/b"},
	} {
		if got := upstreamPath(c.base, c.path, c.strip >= 0, max(c.strip, 0)); got != c.want {
			t.Errorf("%q with %q, %d bytes stripped: %q, want %q", c.base, c.path, c.strip, got, c.want)
		}
	}
}

func TestPriorities(t *testing.T) {
	// From the last to the first.
	order := []precedence{
		{criteria: 1, pathLength: 2},
		{criteria: 1, pathLength: 9},
		{criteria: 2, pathLength: 2},
		{criteria: 2, headers: 1, pathLength: 2},
		{criteria: 2, headers: 2, pathLength: 2},
		{criteria: 3, pathLength: 1},
		{criteria: 1, regexPath: true},
		{criteria: 1, regexPath: true, regexPriority: 1},
		{criteria: 2, regexPath: true},
		{criteria: 1, plainHosts: true},
		{criteria: 2, plainHosts: true, pathLength: 5},
		{criteria: 2, plainHosts: true, regexPath: true},
		{criteria: 4, headers: 1, pathLength: 5},
		{criteria: 4, plainHosts: true, headers: 1, pathLength: 5},
	}
	for i := 1; i < len(order); i++ {
		if below, above := order[i-1].priority("traditional_compatible"), order[i].priority("traditional_compatible"); below >= above {
			t.Errorf("%+v has %#x, not more than the %#x of %+v", order[i], above, below, order[i-1])
		}
	}
	for _, c := range []struct {
		of   precedence
		want uint64
	}{ // computed by LuaJIT on amd64
		{precedence{criteria: 1, pathLength: 3}, 0x20000003},
		{precedence{criteria: 4, headers: 1, pathLength: 3}, 1 << 63},
		{precedence{criteria: 4, plainHosts: true, headers: 1, pathLength: 3}, 0x9000000000100003},
		{precedence{criteria: 5, plainHosts: true, headers: 2, regexPath: true, regexPriority: 7}, 0x9008000000380000},
		{precedence{criteria: 2, regexPath: true, regexPriority: 4096}, 0x8008000040000000},
		{precedence{criteria: 3, plainHosts: true, regexPath: true, regexPriority: -1}, 0x9008000060000000},
	} {
		if got := c.of.priority("traditional_compatible"); got != c.want {
			t.Errorf("%+v: %#x, want %#x", c.of, got, c.want)
		}
	}
}

func TestRustExpressions(t *testing.T) {
	for _, c := range []struct {
		source, text string
		want         string // what matched, "-" for nothing, "!" for no expression
	}{
		{`^/a++b`, "/aaab", "/aaab"}, {`^/x{2,3}`, "/xxxx", "/xxx"}, {`^/x{2, 3}`, "/xx", "/xx"}, {`^/x{`, "/x{", "!"}, {`^/x{a}`, "/x{a}", "!"},
		{`^/(?i)case`, "/CASE", "/CASE"}, {`^/(?<id>[a-z]+)/x$`, "/ab/x", "/ab/x"}, {`^/(?P<id>a)(?P<id>b)`, "/ab", "!"},
		{`^/\d+`, "/\u0663", "/\u0663"}, {`^/(?-u)\d+`, "/\u0663", "-"}, {`^/\w+$`, "/\u00fc", "/\u00fc"}, {`^/[\W]`, "/\u00fc", "-"},
		{`^/[^\S]`, "/ ", "/ "}, {`^/[a[bc]]+$`, "/abc", "/abc"}, {`^/[a[^b]]`, "/b", "-"}, {`^/[\p{Greek}x]+`, "/\u03b1x", "/\u03b1x"},
		{`^/a(?x) b # c`, "/ab", "/ab"}, {`^/(?x: a b )c d`, "/abc d", "/abc d"}, {`^/a(?!b)`, "/a", "!"}, {`^/(a)\1`, "/aa", "!"},
		{`^/(?>a)`, "/a", "!"},
		{`^/\x41\u{42}\U00000043`, "/ABC", "/ABC"}, {`^/\Qa`, "/Qa", "!"}, {`^/a\/b\-c`, "/a/b-c", "/a/b-c"}, {`^/(?:a`, "/a", "!"},
		{`^/a)`, "/a", "!"},
		{`^/a*?b{2}{2}$`, "/aabbbb", "/aabbbb"}, {`^/]}`, "/]}", "/]}"}, {`^/[]a]`, "/]", "/]"}, {`^/[a-]+`, "/a-", "/a-"},
	} {
		pattern, err := compileRust(c.source)
		got := "!"
		if err == nil {
			if got = "-"; pattern.MatchString(c.text) {
				got = pattern.FindString(c.text)
			}
		}
		if got != c.want {
			t.Errorf("%s with %q: %q (%v), want %q", c.source, c.text, got, err, c.want)
		}
	}
}

// TestExpressionsOfRoutes: what only the flavor "expressions" has.
func TestExpressionsOfRoutes(t *testing.T) {
	a := asked{
		method: "GET", host: "One.example", path: "/a/b/c", query: "?x=1&x=2&y", port: 8000, sourceIP: "10.1.2.3", sourcePort: 9,
		header: http.Header{"X-A": {"V1", "V2"}},
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
		expr, err := parseExpression(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		got, ok := expr.match(a)
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
		if _, err := parseExpression(source); err == nil {
			t.Errorf("%s is accepted", source)
		}
	}
}
