package corpus_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/shared"
)

// A file is one case of the index.
type file struct {
	Name        string
	Inputs      []string
	Expect      string
	Env         []string
	Entities    map[string]int
	ReasonClass string `json:"reason_class"`
	Kong        struct{ Edition string }

	list string
	dir  string
}

// readIndex returns the cases of the corpus, or skips the test where there is none.
func readIndex(t *testing.T) []file {
	t.Helper()
	dir := filepath.Join(shared.Dir(t), "corpus", "deck")
	raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatalf("read the index of the corpus: %v", err)
	}
	var lists struct{ Valid, Large, Invalid []file }
	if err := json.Unmarshal(raw, &lists); err != nil {
		t.Fatal(err)
	}
	var all []file
	for _, l := range []struct {
		name  string
		files []file
	}{{"valid", lists.Valid}, {"large", lists.Large}, {"invalid", lists.Invalid}} {
		for _, f := range l.files {
			f.list, f.dir = l.name, dir
			all = append(all, f)
		}
	}
	return all
}

// paths are the files to submit.
func (f file) paths() []string {
	var all []string
	for _, in := range f.Inputs {
		all = append(all, filepath.Join(f.dir, in))
	}
	return all
}

// row is where the case counts in the table.
func (f file) row() string {
	switch {
	case f.list == "invalid":
		return "invalid | " + f.ReasonClass + " | refused for that reason"
	case f.Expect == "accept-file-reject-snapshot":
		return f.list + " | " + f.Kong.Edition + " | refused: dangling reference"
	}
	return f.list + " | " + f.Kong.Edition + " | served"
}
