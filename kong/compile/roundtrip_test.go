package compile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/kong/compile"
)

// roundTrip humanizes what documents compile to, in every form, and compiles that again.
func roundTrip(t *testing.T, c *compile.Compiler, docs []compile.Document) {
	t.Helper()
	snap, _, problems, err := build(c, docs)
	if err != nil {
		t.Fatal(err)
	}
	if problems != nil {
		return
	}
	for _, form := range []compile.Form{compile.FormKong, compile.FormDeck} {
		human, err := c.Render(snap.Canonical(), form, nil)
		if errors.Is(err, compile.ErrForm) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		again, _, problems, err := build(c, []compile.Document{{Name: "dump.yaml", Content: human}})
		if err != nil || problems != nil {
			t.Fatalf("what we wrote is refused: %v\n%s\n%s", err, lines(problems), human)
		}
		if !bytes.Equal(snap.Canonical(), again.Canonical()) {
			t.Fatalf("another configuration came back (-want +got):\n%s\n%s", cmp.Diff(string(snap.Canonical()), string(again.Canonical())), human)
		}
		if second, err := c.Render(again.Canonical(), form, nil); err != nil || !bytes.Equal(human, second) {
			t.Fatalf("written twice, it differs: %v", err)
		}
	}
}

// TestRoundTripOfCorpus writes every file of the corpus for people and reads it back.
func TestRoundTripOfCorpus(t *testing.T) {
	dir, lists := corpus(t)
	c := compile.New(compile.DefaultLimits())
	for _, list := range []string{"valid", "large", "pairs"} {
		for _, cs := range lists[list] {
			t.Run(cs.Name, func(t *testing.T) { roundTrip(t, c, load(t, dir, cs.Inputs)) })
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "..", "hostile", "s*", "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) { roundTrip(t, c, []compile.Document{{Name: name, Content: text}}) })
	}
}

func TestRoundTripOfRecordings(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for name, tr := range transcripts(t, "config-valid") {
		t.Run(name, func(t *testing.T) {
			roundTrip(t, c, []compile.Document{{Name: name + ".json", Content: []byte(tr.Request.Body)}})
		})
	}
}
