package build

import (
	"runtime/debug"
	"testing"
)

func TestVersionOfAModule(t *testing.T) {
	ours := "github.com/silverback-gateway/silverback"
	for _, c := range []struct {
		path, version string
		known         bool
		want          string
	}{
		{ours, "v1.2.3", true, "v1.2.3"},
		{ours, "(devel)", true, "dev"},
		{ours, "", true, "dev"},
		{"example.com/other", "v9.9.9", true, "dev"}, // a program that uses the client
		{ours, "v1.2.3", false, "dev"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Path: c.path, Version: c.version}}
		if got := ofModule(info, c.known); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
