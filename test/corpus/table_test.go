package corpus_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A table counts, by row, how many cases there are and how many came out as they should.
type table struct {
	all, good map[string]int
	others    []other
}

// other is a case that did not, and what happened.
type other struct{ name, row, outcome string }

func (o other) String() string { return o.name + " (" + o.row + "): " + o.outcome }

// foreign cases need a gateway that is not Kong's open-source edition: docs/corpus.md explains them by kind, not by name.
func (o other) foreign() bool {
	return strings.Contains(o.row, "enterprise") || strings.Contains(o.row, "konnect")
}

func newTable() *table { return &table{all: map[string]int{}, good: map[string]int{}} }

func (t *table) add(row, name, outcome string) {
	t.all[row]++
	if outcome == "" {
		t.good[row]++
		return
	}
	t.others = append(t.others, other{name, row, outcome})
}

// markdown is the table as docs/corpus.md has it.
func (t *table) markdown() string {
	var b strings.Builder
	b.WriteString("| list | edition or reason | expected | files | as expected |\n|---|---|---|---|---|\n")
	for _, row := range slices.Sorted(maps.Keys(t.all)) {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", row, t.all[row], t.good[row])
	}
	return b.String()
}

// compare fails the test unless the documentation says exactly this, and names every case that did not come out as it should.
func (t *table) compare(tb testing.TB, section string) {
	tb.Helper()
	tb.Logf("\n%s", t.markdown())
	for _, o := range t.others {
		tb.Log(o)
	}
	path := filepath.Join("..", "..", "docs", "corpus.md")
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	begin, end := "<!-- begin "+section+" -->\n", "<!-- end "+section+" -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		tb.Fatalf("%s has no section between %q and %q", path, begin, end)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+t.markdown()+end+after), 0o644); err != nil {
			tb.Fatal(err)
		}
		old = t.markdown()
	}
	if old != t.markdown() {
		tb.Errorf("the numbers are not those of docs/corpus.md; where they got better, run the test with -update. It says:\n%s", old)
	}
	for _, o := range t.others {
		if !o.foreign() && !strings.Contains(string(text), "`"+o.name+"`") {
			tb.Errorf("docs/corpus.md gives no reason for %s", o)
		}
	}
}
