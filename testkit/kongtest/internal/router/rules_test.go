package router

import "testing"

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
		if got := UpstreamPath(c.base, c.path, c.strip >= 0, max(c.strip, 0)); got != c.want {
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
