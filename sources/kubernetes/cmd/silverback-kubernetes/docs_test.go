package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThePageNamesEverything holds docs/kubernetes.md to the annotations and the reasons that there are.
func TestThePageNamesEverything(t *testing.T) {
	module := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(module, "..", "..", "docs", "kubernetes.md"))
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]bool{}
	for file, pattern := range map[string]string{
		"translate/annotations.go": `(?m)^\tannotation\w+\s+= "([^"]+/[^"]+)"`,
		"object/problem.go":        `(?m)^\tReason\w+\s+Reason = "([^"]+)"`,
	} {
		text, err := os.ReadFile(filepath.Join(module, file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllSubmatch(text, -1)
		if len(found) < 5 {
			t.Errorf("%s has %d names", file, len(found))
		}
		for _, name := range found {
			wants["`"+string(name[1])+"`"] = true
		}
	}
	for name := range wants {
		if !strings.Contains(string(page), name) {
			t.Errorf("docs/kubernetes.md does not name %s", name)
		}
	}
}
