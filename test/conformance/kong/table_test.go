package kong_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	named    = regexp.MustCompile("`([A-Za-z0-9_/]+_test\\.go): (Test[A-Za-z0-9_]+)`")
	declared = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(t \*testing\.T\)`)
)

// docs/kong.md names every test of the suite, and no test that is not there.
func TestThePageNamesEveryTest(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "kong.md"))
	if err != nil {
		t.Fatal(err)
	}
	onPage := map[string]bool{}
	for _, m := range named.FindAllStringSubmatch(string(page), -1) {
		file, name := m[1], m[2]
		if !strings.Contains(file, "/") {
			file = "test/conformance/kong/" + file
			onPage[name] = true
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !strings.Contains(string(text), "func "+name+"(t *testing.T)") {
			t.Errorf("%s has no %s", file, name)
		}
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], "TestF") && !onPage[m[1]] {
				t.Errorf("docs/kong.md does not name %s of %s", m[1], file)
			}
		}
	}
	if len(onPage) < 25 {
		t.Errorf("only %d tests found on the page: this test does not look where they are", len(onPage))
	}
}
