package translate

import (
	"encoding/json"
	"testing"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

func TestRewriteTemplate(t *testing.T) {
	for uri, want := range map[string]string{
		"/":           "/",
		"/a/$1/b/$23": "/a/$(uri_captures[1])/b/$(uri_captures[23])",
		"/$1$2":       "/$(uri_captures[1])$(uri_captures[2])",
		`/\$1`:        "/$1",
		"/ü$1":        "/ü$(uri_captures[1])",
	} {
		if got, err := rewriteTemplate(uri); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", uri, got, err, want)
		}
	}
	for _, uri := range []string{"/$", "/$a", `/\`, `/\a`, "/$$1"} {
		if got, err := rewriteTemplate(uri); err == nil {
			t.Errorf("%s: %q, want an error", uri, got)
		}
	}
}

func TestPatch(t *testing.T) {
	for _, c := range []struct{ tree, pointer, value, want string }{
		{`{}`, "/a", `1`, `{"a":1}`},
		{`{"a":1}`, "", `{"b":2}`, `{"b":2}`},
		{`{"a":{"b":1}}`, "/a/c", `2`, `{"a":{"b":1,"c":2}}`},
		{`{}`, "/a/b/c", `1`, `{"a":{"b":{"c":1}}}`},
		{`{}`, "/a/0/b", `1`, `{"a":[{"b":1}]}`},
		{`{"a":[1,3]}`, "/a/1", `2`, `{"a":[1,2,3]}`},
		{`{"a":[1]}`, "/a/-", `2`, `{"a":[1,2]}`},
		{`{}`, "/a~1b/c~0d", `1`, `{"a/b":{"c~d":1}}`},
	} {
		var tree, value any
		if err := json.Unmarshal([]byte(c.tree), &tree); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.value), &value); err != nil {
			t.Fatal(err)
		}
		got, err := patch(tree, c.pointer, value)
		if text, _ := json.Marshal(got); string(text) != c.want || err != nil {
			t.Errorf("%s at %q: %s, %v, want %s", c.tree, c.pointer, text, err, c.want)
		}
	}
	for _, c := range []struct {
		tree    any
		pointer string
	}{{map[string]any{}, "a"}, {map[string]any{"a": "text"}, "/a/b"}, {[]any{}, "/x"}, {[]any{}, "/100000"}} {
		if got, err := patch(c.tree, c.pointer, 1); err == nil {
			t.Errorf("%v at %q: %v, want an error", c.tree, c.pointer, got)
		}
	}
}

func TestIntersectionOfHosts(t *testing.T) {
	for _, c := range []struct{ a, b, want gateway.Hostname }{
		{"", "a.com", "a.com"},
		{"a.com", "", "a.com"},
		{"a.com", "a.com", "a.com"},
		{"a.com", "b.com", ""},
		{"*.a.com", "x.a.com", "x.a.com"},
		{"*.a.com", "x.y.a.com", "x.y.a.com"},
		{"*.a.com", "a.com", ""},
		{"*.a.com", "xa.com", ""},
		{"x.a.com", "*.a.com", "x.a.com"},
		{"*.com", "*.a.com", "*.a.com"},
		{"*.a.com", "*.com", "*.a.com"},
		{"*.a.com", "*.b.com", ""},
	} {
		if got := intersect(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

func TestRanksFallFromAllOnes(t *testing.T) {
	type item struct {
		priority uint64
		name     string
	}
	all := []item{{16, "b"}, {32, "c"}, {16, "a"}, {16, "d"}, {16, "c"}, {16, "e"}}
	rank(all, 2, func(i *item) *uint64 { return &i.priority }, func(a, b item) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	want := []uint64{16 + 2, 32 + 3, 16 + 3, 16 + 0, 16 + 1, 16 + 0}
	for i, one := range all {
		if one.priority != want[i] {
			t.Errorf("%s has %d, want %d", one.name, one.priority, want[i])
		}
	}
}
