package request

import "testing"

func TestNormalPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "//a": "/a", "/a//b": "/a/b", "/a/": "/a/", "/a/./b": "/a/b", "/a/.": "/a/", "/a/..": "/", "/a/../b": "/b", "/a/%2e%2E/b": "/b",
		"/%61": "/a", "/a%2fb": "/a%2Fb", "/%c3%bc": "/\u00fc", "/a%20b": "/a b", "/a//../b": "/b", "/a/..//b": "/b", "/%2561": "/%2561",
		"/a.b": "/a.b",
	} {
		if got := Normal(path); got != want {
			t.Errorf("%s becomes %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]bool{"/a/../b": false, "/..": true, "/a/../../b": true, "/%2e%2e/a": true, "//../a": true,
		"/a/./..":      false,
		"/a%2F..%2F..": true, "/%2f../a": true, "/x//../../a": true, "/a/...": false, "/..a": false} {
		if got := Climbs(path); got != want {
			t.Errorf("%s leaves the root: %v, want %v", path, got, want)
		}
	}
	if got := Escaped("/\u00fc b%2F\"(x)"); got != "/%C3%BC%20b%2F%22(x)" {
		t.Errorf("escaped: %s", got)
	}
}
