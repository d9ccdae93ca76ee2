package main

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// Who changes a line that the table breaks hears of it at once, not when the table is run the next time.
func TestTheTableFitsTheTree(t *testing.T) {
	if len(table) < 20 {
		t.Errorf("the table has %d rows", len(table))
	}
	for _, m := range table {
		text, err := m.apply(filepath.Join("..", "..", "..", m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.file, text, parser.SkipObjectResolution); err != nil {
			t.Errorf("%s is not Go: %v", m.name, err)
		}
	}
}
