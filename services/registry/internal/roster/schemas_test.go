package roster_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

// TestWhoStandsBehindABundle writes a group as version:bundle, one word a node; a dash is a node that names none.
func TestWhoStandsBehindABundle(t *testing.T) {
	for _, tt := range []struct{ group, counts string }{
		{"", ""},
		{"3.9:a", "a"},
		{"3.9:a 3.9:a", "a"},
		{"3.9:a 3.9:b", ""},
		{"3.9:a 3.9:-", ""},
		{"3.9:a 3.9:a 3.9:b", "a"},
		{"3.9:a 3.9:a 3.9:b 3.9:b", ""},
		{"3.9:a 3.9:a 3.9:- 3.9:-", ""},
		{"3.9:a 3.9:a 3.9:a 3.4:b", "a"},
		{"3.9:a 3.9:a 3.9:a 3.4:b 3.4:b", "a b"},
		{"3.9:a 3.9:a 3.9:a 3.4:a 3.4:b", "a"},
		{"3.9:a 3.4:b", ""},
	} {
		var b roster.Backing
		b.Add(roster.Vote{KongVersion: "3.9", Schemas: "left"}, 1)
		for word := range strings.FieldsSeq(tt.group) {
			version, bundle, _ := strings.Cut(word, ":")
			b.Add(roster.Vote{KongVersion: version, Schemas: strings.TrimPrefix(bundle, "-")}, 1)
		}
		b.Add(roster.Vote{KongVersion: "3.9", Schemas: "left"}, -1)
		var counts []string
		for _, digest := range b.Digests() {
			if b.Counts(digest) {
				counts = append(counts, digest)
			}
		}
		if got := strings.Join(counts, " "); got != tt.counts {
			t.Errorf("%q: %q count, want %q", tt.group, got, tt.counts)
		}
		if b.Empty() != (tt.group == "") || fmt.Sprint(b.Digests()) == "[left]" {
			t.Errorf("%q: what left is still there", tt.group)
		}
	}
}
