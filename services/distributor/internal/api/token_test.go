package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// FuzzPageToken: a token has the parts that it was made of, and anything else is refused.
func FuzzPageToken(f *testing.F) {
	for _, seed := range []string{"", "default", "default/7", encodeToken("default", "7"), encodeToken(""), "AAAA", "a=="} {
		f.Add(seed, "7")
	}
	f.Fuzz(func(t *testing.T, text, second string) {
		if !strings.Contains(text+second, "/") {
			if got, err := decodeToken(encodeToken(text, second), 2); err != nil || !slices.Equal(got, []string{text, second}) {
				t.Fatalf("the token of %q and %q: %q, %v", text, second, got, err)
			}
		}
		for parts := 1; parts <= 2; parts++ {
			got, err := decodeToken(text, parts)
			if err != nil && (fault.KindOf(err) != fault.Invalid || got != nil) || err == nil && len(got) != parts {
				t.Fatalf("%q in %d parts: %q, %v", text, parts, got, err)
			}
		}
	})
}
