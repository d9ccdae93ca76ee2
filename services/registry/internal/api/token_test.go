package api

import (
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// FuzzPageToken: a token leads where it was made, and anything else is refused.
func FuzzPageToken(f *testing.F) {
	for _, seed := range []string{"", "default", "default/kong-1", pageToken("default"), pageToken(""), "AAAA", "a=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if last, err := parsePageToken(pageToken(text)); err != nil || last != text {
			t.Fatalf("the token of %q leads to %q, %v", text, last, err)
		}
		last, err := parsePageToken(text)
		switch {
		case err != nil:
			if fault.KindOf(err) != fault.Invalid || last != "" {
				t.Fatalf("%q: %q, %v", text, last, err)
			}
		case text == "" && last == "":
		default:
			if again, err := parsePageToken(pageToken(last)); err != nil || again != last {
				t.Fatalf("%q: %q, %v", text, again, err)
			}
		}
	})
}
