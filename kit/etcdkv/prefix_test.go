package etcdkv

import (
	"strings"
	"testing"
)

func TestAPrefixIsChecked(t *testing.T) {
	for _, tt := range []struct {
		prefix  string
		problem string // a part of it; empty is none
	}{
		{prefix: DefaultPrefix},
		{prefix: "/"},
		{prefix: "/silverback-eu/v1/"},
		{prefix: "/silverback/v1b/"},
		{prefix: "/silverback/"},
		{prefix: "/größe/"},
		{prefix: "/" + strings.Repeat("x", 254) + "/"},
		{prefix: "/" + strings.Repeat("x", 255) + "/", problem: "at most 256 bytes"},
		{prefix: "", problem: "begins and ends with /"},
		{prefix: "silverback/", problem: "begins and ends with /"},
		{prefix: "/silverback", problem: "begins and ends with /"},
		{prefix: "/a//b/", problem: "no //"},
		{prefix: "//", problem: "no //"},
		{prefix: "/a b/", problem: "neither blanks nor control"},
		{prefix: "/a\x00/", problem: "neither blanks nor control"},
		{prefix: "/a\n/", problem: "neither blanks nor control"},
		{prefix: "/a\x7f/", problem: "neither blanks nor control"},
		{prefix: "/a\u0085/", problem: "neither blanks nor control"},
		{prefix: "/a\xff/", problem: "neither blanks nor control"},
		{prefix: "/silverback/v1/eu/", problem: "not inside /silverback/v1/"},
	} {
		c := Config{Endpoints: []string{"127.0.0.1:2379"}, Prefix: tt.prefix}
		err := c.Check()
		if tt.problem == "" && err != nil {
			t.Errorf("%q is refused: %v", tt.prefix, err)
		}
		if tt.problem == "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.Contains(err.Error(), "--etcd-prefix") ||
			!strings.Contains(err.Error(), "such as /") {
			t.Errorf("%q gives %v, want the flag, %q and an example", tt.prefix, err, tt.problem)
		}
	}
}
