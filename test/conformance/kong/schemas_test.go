package kong_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/test/load/bundles"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// schemas reads all that the gateway shows under /schemas.
func (k *target) schemas(t *testing.T) schema.Texts {
	t.Helper()
	texts, err := bundles.Read(t.Context(), k.admin)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestF44_SchemasVaryFromStartToStart: and what is made of them does not.
func TestF44_SchemasVaryFromStartToStart(t *testing.T) {
	check := func(t *testing.T, k *target) {
		k.restartable(t)
		before := k.schemas(t)
		k.restart(t)
		after := k.schemas(t)
		if len(before.Plugins["session"]) == 0 {
			k.lacks(t, "the gateway has no plugin session")
		}
		if string(before.Plugins["session"]) == string(after.Plugins["session"]) {
			t.Error("the plugin session shows the same default after a restart")
		}
		one, err := schema.New(before)
		if err != nil {
			t.Fatal(err)
		}
		two, err := schema.New(after)
		if err != nil {
			t.Fatal(err)
		}
		if one.Digest() != two.Digest() {
			t.Errorf("two starts are two bundles, %s and %s", one.Digest(), two.Digest())
		}
		if got := one.Generated("plugin", map[string]any{"name": "session"}); len(got) != 1 || got[0].String() != "config.secret" {
			t.Errorf("of session the gateway invents %v", got)
		}
	}
	t.Run("simulated", func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"entities/routes.json":  `{"fields":[{"id":{"type":"string","uuid":true,"auto":true}},{"name":{"type":"string"}}]}`,
			"entities/plugins.json": `{"fields":[{"name":{"type":"string"}},{"config":{"type":"record"}}]}`,
			"entities/upstreams.json": `{"fields":[{"healthchecks":{"type":"record","fields":[{"active":{"type":"string"}},` +
				`{"passive":{"type":"string"}},{"threshold":{"type":"number"}}]}}]}`,
			"entities/keys.json": `{"fields":[{"jwk":{"type":"string"}},{"pem":{"type":"string"}}],"entity_checks":[{"at_least_one_of":["jwk",` +
				`"pem"]}]}`,
			"plugins/session.json": `{"fields":[{"config":{"type":"record","required":true,"fields":[` +
				`{"secret":{"type":"string","encrypted":true,"referenceable":true,"default":"of-the-recording"}}]}}]}`,
		} {
			at := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		check(t, simulate(t, kongtest.Options{SchemaDir: dir}))
	})
	t.Run("real", func(t *testing.T) { check(t, live(t)) })
}
