package kongtest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest/schemacheck"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// documented are the examples of plugins that the recorded gateway refuses though
// nothing beside them says that they are of a later Kong.
var documented = map[string]string{
	"acl/deny-consumer-groups":                "consumer groups are of the enterprise edition",
	"acme/redis-azure-instance":               "cloud authentication is of a later Kong",
	"acme/redis-gcp-instance":                 "cloud authentication is of a later Kong",
	"ai-proxy/azure-ai-with-managed-identity": "managed identity is of the enterprise edition",
	"ai-proxy/azure-batches-route":            "a route type of a later Kong",
	"ai-proxy/claude-code-anthropic":          "a format of a later Kong",
	"ai-proxy/claude-code-bedrock":            "a format of a later Kong",
	"ai-proxy/claude-code-dashscope":          "a format and a provider of a later Kong",
	"ai-proxy/claude-code-gemini":             "a format of a later Kong",
	"acme/kong":                               "a storage that needs a database",
	"ai-proxy/claude-code-openai":             "a format of a later Kong",
	"ai-proxy/gemini-native-routes":           "a field of a later Kong",
	"ai-proxy/hugging-face-native-routes":     "a field and a format of a later Kong",
	"ai-proxy/ollama-chat-route":              "a provider of a later Kong",
	"ai-proxy/responses-route-type":           "a route type of a later Kong",
	"ai-proxy/sdk-azure-deployment":           "fields of a later Kong",
}

var placeholder = regexp.MustCompile(`\$\{[^}]*\}`)

// filledIn puts plausible words in the place of what a reader has to fill in.
func filledIn(text []byte) []byte {
	return placeholder.ReplaceAllFunc(text, func(name []byte) []byte {
		switch {
		case bytes.Contains(name, []byte("email")):
			return []byte("me@example.com")
		case bytes.Contains(name, []byte("location")):
			return []byte("https://example.com")
		case bytes.Contains(name, []byte("access")), bytes.Contains(name, []byte("filter")):
			return []byte("return example") // Lua
		}
		return []byte("example")
	})
}

// TestDocumentedPluginConfigs: the examples of Kong's own documentation are valid,
// unless they are of another Kong than the recorded one.
func TestDocumentedPluginConfigs(t *testing.T) {
	bundle := shared.Schemas(t)
	index := recording[struct {
		Configs []struct {
			Name, Plugin string
			Config       json.RawMessage
			MinVersion   map[string]string `json:"min_version"`
		}
	}](t, filepath.Join(shared.Dir(t), "corpus", "deck"), "plugin-configs.json")
	checked := 0
	for _, c := range index.Configs {
		if minor, later := strings.CutPrefix(c.MinVersion["gateway"], "3."); later && len(minor) > 1 {
			continue // 3.10 or later
		}
		var config map[string]any
		if err := json.Unmarshal(filledIn(c.Config), &config); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		checked++
		found, err := bundle.Check(t.Context(), schema.BudgetFor(1, len(filledIn(c.Config))), "plugin",
			map[string]any{"name": c.Plugin, "config": config})
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		switch why := documented[c.Name]; {
		case why == "" && len(found) > 0:
			t.Errorf("%s is refused: %v", c.Name, found)
		case why != "" && len(found) == 0:
			t.Errorf("%s is listed as refused (%s), but it is accepted", c.Name, why)
		}
	}
	if checked < 50 {
		t.Errorf("only %d examples were checked", checked)
	}
}

// schemaDir has the recorded schemas of a gateway under a router flavor.
func schemaDir(t *testing.T, flavor string) string {
	t.Helper()
	if flavor == "traditional_compatible" {
		return shared.SchemaDir(t)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(shared.SchemaDir(t))); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "router-flavors", flavor+"-routes.json"),
		filepath.Join(dir, "entities", "routes.json")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestGoldenConfigurations: what an ingress controller pushes to a gateway of the
// open-source edition is accepted, under its router flavor.
func TestGoldenConfigurations(t *testing.T) {
	dir := filepath.Join(shared.Dir(t), "corpus", "kic-golden")
	index := recording[struct {
		Cases []struct {
			Name, Edition, Expected string
			Flavor                  string `json:"router_flavor"`
		}
	}](t, dir, "cases.json")
	gateways := map[string]*kongtest.Gateway{}
	for _, c := range index.Cases {
		if c.Edition != "oss" {
			continue
		}
		g := gateways[c.Flavor]
		if g == nil {
			g = kongtest.Start(t, kongtest.With(kongtest.Options{RouterFlavor: c.Flavor}), schemacheck.Dir(t, schemaDir(t, c.Flavor)))
			gateways[c.Flavor] = g
		}
		text, err := os.ReadFile(filepath.Join(dir, c.Expected))
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, http.MethodPost, g.AdminURL()+"/config", string(text), "Content-Type", "text/yaml")
		if got.status != http.StatusCreated {
			t.Errorf("%s (%s): %d %s", c.Name, c.Flavor, got.status, got.body)
		}
	}
}
