package resource

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestTrustedSchemasAreNamedByTheirFirstDigits(t *testing.T) {
	a, b := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("ab", 32)
	for _, tt := range []struct{ said, want []string }{
		{[]string{a}, []string{a}},
		{[]string{"aaa", "sha256:abab"}, []string{a, b}},
		{[]string{}, nil},
		{[]string{"a"}, nil}, // either
		{[]string{"f"}, nil},
		{[]string{""}, nil},
	} {
		got, err := trustedSchemas(tt.said, []string{a, b})
		if !slices.Equal(got, tt.want) || (err != nil) != (len(tt.said) > 0 && tt.want == nil) {
			t.Errorf("%q: %q, %v", tt.said, got, err)
		}
	}
}

func TestAGroupIsDescribedWithWhoStandsBehindItsSchemas(t *testing.T) {
	digests := []string{"sha256:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("b", 64), "sha256:" + strings.Repeat("c", 64)}
	var out bytes.Buffer
	printGroup(&app.App{Out: &out}, &registryv1.Group{Name: "g", SchemaDigests: digests, TrustedSchemas: digests[2:],
		SchemaBacking: []*registryv1.SchemaBacking{
			{Digest: digests[0], Counts: true, Nodes: 3}, {Digest: digests[1], Nodes: 1, NodeNames: []string{"gw\x1b-7"}},
			{Digest: digests[2], Counts: true, Nodes: 1},
		}}, nil)
	for _, want := range []string{"aaaaaaaaaaaa, of 3 nodes\n", "bbbbbbbbbbbb, of 1 node (gw\ufffd-7): too few to refuse anything\n",
		"cccccccccccc, of 1 node, trusted\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
}
