// Package shared finds the recordings and corpora that some tests compare with.
// They live beside the repository, not in it: whoever checks out the repository
// alone still gets passing tests, with a message for each one left out.
package shared

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the directory "shared" beside the repository root. When there is
// none the test is skipped, and the message says what was missing.
func Dir(tb testing.TB) string {
	tb.Helper()
	root, err := repositoryRoot()
	if err != nil {
		tb.Skipf("no shared recordings: %v", err)
	}
	dir := filepath.Join(filepath.Dir(root), "shared")
	if found, err := os.Stat(dir); err != nil || !found.IsDir() {
		tb.Skipf("no shared recordings: %s does not exist", filepath.Join("..", "shared"))
	}
	return dir
}

// repositoryRoot walks up from the package under test to the workspace file.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}

// Read returns a file of the directory. When it is not there the test is skipped; one that cannot be read fails the test.
func Read(tb testing.TB, path ...string) []byte {
	tb.Helper()
	name := filepath.Join(path...)
	text, err := os.ReadFile(filepath.Join(Dir(tb), name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		tb.Skipf("../shared has no %s", name)
	case err != nil:
		tb.Fatal(err)
	}
	return text
}
