package show

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/silverback-gateway/silverback/kit/clean"
)

// minWidth is room for most cells, so that columns seldom have to move.
const minWidth = 6

// A Stream is a table whose rows come one by one: its columns only grow.
type Stream struct {
	Header []string

	widths []int
}

// Write prints a row, and before the first one the header.
func (s *Stream) Write(w io.Writer, cells ...string) error {
	text, cells := "", slices.Clone(cells)
	for i, cell := range cells {
		cells[i] = clean.Line(cell, maxText)
	}
	if s.widths == nil {
		s.widths = make([]int, len(s.Header))
		for i := range s.widths {
			s.widths[i] = minWidth
		}
		s.grow(s.Header)
		s.grow(cells)
		text = s.line(s.Header)
	}
	s.grow(cells)
	_, err := fmt.Fprint(w, text, s.line(cells))
	return err
}

func (s *Stream) grow(cells []string) {
	for i, cell := range cells[:min(len(cells), len(s.widths))] {
		s.widths[i] = max(s.widths[i], utf8.RuneCountInString(cell))
	}
}

func (s *Stream) line(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		b.WriteString(cell)
		if i < len(cells)-1 && i < len(s.widths) {
			b.WriteString(strings.Repeat(" ", s.widths[i]-utf8.RuneCountInString(cell)+3))
		}
	}
	return b.String() + "\n"
}
