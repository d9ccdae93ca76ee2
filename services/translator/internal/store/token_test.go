package store

import (
	"strings"
	"testing"
)

// FuzzSourcesAfter: a token stays within the list that it is given to, and goes on after what it names.
func FuzzSourcesAfter(f *testing.F) {
	for _, seed := range []string{"", "default/team", "default/", "zzz/a", "../heads/default", "\xff\xff", "default/team\x00"} {
		f.Add("default", seed)
		f.Add("", seed)
	}
	f.Fuzz(func(t *testing.T, group, token string) {
		prefix := sourcesPrefix
		if group != "" && !strings.Contains(group, "/") {
			prefix = sourcesPrefix + group + "/"
		}
		from, to := sourcesAfter(prefix, token)
		if from < prefix || from > to {
			t.Fatalf("%q leads from %q to %q", token, from, to)
		}
		if named := sourcesPrefix + token; token != "" && strings.HasPrefix(named, prefix) && from <= named {
			t.Fatalf("%q comes again", token)
		}
	})
}
