package identity_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/identity"
)

// FuzzParse: a URI is one identity, which has that URI and no other, or nobody; and what is said of it can be shown.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"spiffe://silverback/node/default/kong-1", "spiffe://silverback/service/registry", "spiffe://silverback/user/eve@example.com/admin",
		"spiffe://silverback/user/eve%2Fadmin/viewer", "spiffe://silverback/node/../service/registry", "spiffe://other/service/registry",
		"spiffe://silverback/user//admin", "spiffe://silverback/service/registry?x#y", "spiffe://u:p@silverback/service/registry",
		"SPIFFE://silverback/service/registry", "spiffe:silverback/service/registry", "spiffe://silverback/user/\u202e/admin",
		"spiffe://silverback/service/" + strings.Repeat("a", 8000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		uri, err := url.Parse(text)
		if err != nil {
			return
		}
		who, err := identity.Parse(identity.DefaultTrustDomain, uri)
		if err != nil {
			if who != (identity.Identity{}) {
				t.Fatalf("%q is refused, and is %v", text, who)
			}
			if message := err.Error(); strings.ContainsFunc(message, clean.Unsafe) || len(message) > 2*clean.MaxMessage {
				t.Fatalf("the refusal is not fit to be shown: %q", message)
			}
			return
		}
		if own := who.URI(identity.DefaultTrustDomain).String(); own != uri.String() {
			t.Fatalf("%q is %v, whose URI is %q", text, who, own)
		}
		if shown := who.String(); strings.ContainsFunc(shown, clean.Unsafe) || strings.Count(who.Group+who.Name, "/") > 0 {
			t.Fatalf("%q is %q", text, shown)
		}
	})
}
