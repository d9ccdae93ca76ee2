package bundles_test

import (
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/test/load/bundles"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// TestAFleetIsOneBundle: 60 gateways that are started one by one show 60 kinds of schemas (F44), and one bundle is made of them.
func TestAFleetIsOneBundle(t *testing.T) {
	dir := shared.SchemaDir(t)
	digests, shown := map[string]bool{}, map[string]bool{}
	for range 60 {
		g, err := kongtest.New(kongtest.Options{SchemaDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		texts, err := bundles.Read(t.Context(), g.AdminURL())
		g.Close()
		if err != nil {
			t.Fatal(err)
		}
		if len(texts.Entities) < 20 || len(texts.Plugins) < 30 {
			t.Fatalf("%d kinds and %d plugins were read", len(texts.Entities), len(texts.Plugins))
		}
		session := string(texts.Plugins["session"])
		_, field, _ := strings.Cut(session, `"secret":{`)
		_, field, _ = strings.Cut(field, `"default":"`)
		secret, _, _ := strings.Cut(field, `"`)
		b, err := schema.New(texts)
		if err != nil {
			t.Fatal(err)
		}
		if secret == "" || strings.Contains(string(b.Encode()), secret) {
			t.Fatalf("the secret %q of this start is in the bundle", secret)
		}
		digests[string(b.Digest())], shown[session+string(texts.Entities["upstreams"])] = true, true
	}
	if len(shown) != 60 || len(digests) != 1 {
		t.Errorf("%d different answers, %d bundles", len(shown), len(digests))
	}
}
