package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPagesNameFilesThatExist holds the walks through the code, and the page about the architecture, to the files that they name. A page
// may leave out the beginning of a path.
func TestPagesNameFilesThatExist(t *testing.T) {
	top, files := root(t), map[string]bool{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			rel, _ := filepath.Rel(top, path)
			parts := strings.Split(filepath.ToSlash(rel), "/")
			for i := range parts {
				files[strings.Join(parts[i:], "/")] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	goFile, placeholder := regexp.MustCompile(`^[\w./-]+\.go$`), regexp.MustCompile(`do_thing\.go$`)
	for _, page := range []string{"CONTRIBUTING.md", "docs/architecture.md"} {
		text, err := os.ReadFile(filepath.Join(top, page))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, name := range names(string(text)) {
			if !goFile.MatchString(name) || placeholder.MatchString(name) {
				continue
			}
			if found++; !files[name] {
				t.Errorf("%s names %s, which does not exist", page, name)
			}
		}
		if found < 10 {
			t.Errorf("%s names only %d files: this test does not look where they are", page, found)
		}
	}
}
