package corpus_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
)

// TestOwnExamples puts the project's own files through the same path, where there is no corpus too.
func TestOwnExamples(t *testing.T) {
	fleet := labfleet.Start(t, binaries, lab.Config{Gateways: 2})
	root := filepath.Join("..", "..")
	golden, err := filepath.Glob(filepath.Join(root, "kong", "compile", "testdata", "golden", "*"))
	if err != nil || len(golden) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	served := 0
	for _, dir := range golden {
		if sources, _ := filepath.Glob(filepath.Join(dir, "source-*.yaml")); len(sources) > 0 {
			continue // several sources: the compiler's own tests have it
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			f := file{list: "own", Inputs: []string{filepath.Join(dir, "source.yaml")}, Expect: "accept"}
			if _, err := os.Stat(filepath.Join(dir, "want.txt")); err == nil {
				r := fleet.CLI.Run(t, "apply", "-g", lab.Group, "--allow-shrink", "--wait", f.paths()[0])
				if r.Code != 2 || !strings.Contains(r.Stderr, "source.yaml:") && !strings.Contains(r.Stderr, "DECK_") {
					t.Errorf("want it refused with a place, got %+v", r)
				}
				return
			}
			outcome := submit(t, fleet, f)
			if name := filepath.Base(dir); name == "consumer-groups" {
				// The simulated gateway is an open-source Kong, which does not know them.
				if !strings.Contains(outcome, "consumer_group") || !strings.Contains(outcome, "refused by gw-") {
					t.Errorf("want it refused by the first gateway, got %q", outcome)
				}
				return
			}
			if outcome != "" {
				t.Error(outcome)
			}
			served++
		})
	}
	if served == 0 {
		t.Error("no example was served")
	}
	if outcome := submit(t, fleet, file{list: "own", Inputs: []string{filepath.Join(root, "lab", "cmd", "silverback-lab",
		"example.yaml")}}); outcome != "" {
		t.Errorf("the lab's example: %s", outcome)
	}
	t.Run("10,000 routes", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "many.yaml")
		if err := os.WriteFile(path, manyRoutes(10_000), 0o600); err != nil {
			t.Fatal(err)
		}
		if outcome := submit(t, fleet, file{list: "own", Inputs: []string{path},
			Entities: map[string]int{"routes": 10_000, "services": 100}}); outcome != "" {
			t.Error(outcome)
		}
	})
}

// manyRoutes writes a configuration of n routes, a hundred to a service.
func manyRoutes(n int) []byte {
	var b bytes.Buffer
	b.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range n {
		if i%100 == 0 {
			fmt.Fprintf(&b, "- name: service-%03d\n  url: http://upstream-%03d.internal:8080/v1\n  routes:\n", i/100, i/100)
		}
		fmt.Fprintf(&b, "  - name: route-%05d\n    paths: [/team-%03d/resource-%05d]\n    methods: [GET, POST]\n    tags: [generated]\n", i,
			i/100, i)
	}
	return b.Bytes()
}
