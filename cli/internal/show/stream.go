package show

import (
	"io"
	"slices"
)

// minWidth fits most cells, so that columns seldom change their width.
const minWidth = 6

// A Stream is a table whose rows arrive one by one. Its columns only grow, on a terminal up to its width.
type Stream struct {
	Header []string
	More   int // how many of the last columns only -o wide shows
	Layout Layout

	widths []int
}

// Write prints a row, and before the first one the header.
func (s *Stream) Write(w io.Writer, cells ...string) error {
	columns := len(s.Header)
	if !s.Layout.Wide {
		columns -= s.More
	}
	header, line := s.Header[:columns], slices.Clone(cells[:min(len(cells), columns)])
	for i, cell := range line {
		line[i] = text(cell)
	}
	first := s.widths == nil
	if first {
		s.widths = slices.Repeat([]int{minWidth}, columns)
		grow(s.widths, header)
	}
	grow(s.widths, line)
	widths := slices.Clone(s.widths)
	gap := fit(widths, s.Layout.Width)
	out := ""
	if first {
		out = align(header, widths, gap, s.Layout.Width)
	}
	_, err := io.WriteString(w, out+align(line, widths, gap, s.Layout.Width))
	return err
}
