package shared

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// SchemaDir returns the folder with what a real Kong 3.9.3 with all of its plugins answered under /schemas, in the form that a
// simulated gateway serves. Without recordings the test is skipped.
func SchemaDir(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(Dir(tb), "kong-contract", "schemas")
}

// Schemas returns the bundle of what is in SchemaDir.
func Schemas(tb testing.TB) *schema.Bundle {
	tb.Helper()
	read := func(folder string) map[string]json.RawMessage {
		files, err := filepath.Glob(filepath.Join(SchemaDir(tb), folder, "*.json"))
		if err != nil || len(files) == 0 {
			tb.Fatalf("the recordings have no schemas of %s: %v", folder, err)
		}
		all := map[string]json.RawMessage{}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			all[strings.TrimSuffix(filepath.Base(file), ".json")] = text
		}
		return all
	}
	b, err := schema.New(schema.Texts{KongVersion: "3.9.3", Entities: read("entities"), Plugins: read("plugins"), Vaults: read("vaults")})
	if err != nil {
		tb.Fatalf("the recorded schemas: %v", err)
	}
	return b
}
