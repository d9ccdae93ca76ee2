package compile_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

var update = flag.Bool("update", false, "rewrite what the golden cases want")

// TestGolden compiles each folder of testdata/golden. Each source*.yaml or .json
// is a source of one group, named by its file. want.json holds the canonical
// bytes, want.txt the problems; one of the two is there.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("testdata", "golden", "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no golden cases: %v", err)
	}
	c := compile.New(compile.DefaultLimits())
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			canonical, problems := compileDir(t, c, dir)
			golden(t, filepath.Join(dir, "want.json"), canonical)
			golden(t, filepath.Join(dir, "want.txt"), problems)
			if canonical == nil {
				return
			}
			for file, form := range map[string]compile.Form{"want.yaml": compile.FormKong, "want-deck.yaml": compile.FormDeck} {
				human, err := c.Render(canonical, form, nil)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join(dir, file), human)
				roundTrip(t, c, []compile.Document{{Name: file, Content: human}})
			}
		})
	}
}

func compileDir(t *testing.T, c *compile.Compiler, dir string) (canonical, problems []byte) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "source*"))
	if len(files) == 0 {
		t.Fatal("no source")
	}
	fragments := map[compile.SourceID]*compile.Fragment{}
	var found []compile.Problem
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(file)
		f, bad := c.Parse([]compile.Document{{Name: base, Content: text}})
		found = append(found, bad...)
		fragments[compile.SourceID(strings.TrimSuffix(base, filepath.Ext(base)))] = f
	}
	var result *compile.Result
	if found == nil {
		result, found = c.Merge(fragments)
	}
	if found != nil {
		var b bytes.Buffer
		for _, p := range found {
			b.WriteString("[" + p.Class.String() + "] " + p.String() + "\n")
		}
		return nil, b.Bytes()
	}
	snap, err := snapshot.Seal(result.Entities)
	if err != nil {
		t.Fatal(err)
	}
	return snap.Canonical(), nil
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		_ = os.Remove(file)
		if got != nil {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil && got == nil {
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}
