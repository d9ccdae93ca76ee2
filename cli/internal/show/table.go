package show

import (
	"io"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/screen"
)

// A Layout is the target of a table. The zero Layout is for a file or a pipe: nothing is shortened.
type Layout struct {
	Width int  // of the terminal in cells; 0 is no terminal
	Wide  bool // also the columns that only -o wide shows
}

// A Grid is a table: a header, then rows of as many cells.
type Grid struct {
	Header []string
	Rows   [][]string
	More   int // how many of the last columns only -o wide shows
}

// Add appends a row.
func (g *Grid) Add(cells ...string) { g.Rows = append(g.Rows, cells) }

// Write prints the table for a file or a pipe.
func (g *Grid) Write(w io.Writer) error { return g.Draw(w, Layout{}) }

// Draw prints the table with its columns aligned. An empty table prints its header, so that a script sees the columns. On a terminal no
// line is wider than the terminal: the longest cells are shortened.
func (g *Grid) Draw(w io.Writer, l Layout) error {
	columns := len(g.Header)
	if !l.Wide {
		columns -= g.More
	}
	lines := [][]string{g.Header[:columns]}
	for _, row := range g.Rows {
		line := slices.Clone(row[:min(len(row), columns)])
		for i, cell := range line {
			line[i] = text(cell)
		}
		lines = append(lines, line)
	}
	widths := make([]int, columns)
	for _, line := range lines {
		grow(widths, line)
	}
	gap := fit(widths, l.Width)
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(align(line, widths, gap, l.Width))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text returns a cell as it is shown.
func text(cell string) string {
	if cell == "" {
		return "-"
	}
	return clean.Line(cell, maxText)
}

// Columns are separated by fewer blanks where they do not fit. None becomes narrower than a minimum.
const (
	apart  = 3
	closer = 2
	narrow = 8
)

func grow(widths []int, cells []string) {
	for i, cell := range cells[:min(len(cells), len(widths))] {
		widths[i] = max(widths[i], screen.Width(cell))
	}
}

// fit shrinks the widest columns until all fit into a width, and returns the number of blanks between columns. Where they cannot fit, the
// line is cut at the end.
func fit(widths []int, width int) (gap int) {
	all := (len(widths) - 1) * apart
	for _, w := range widths {
		all += w
	}
	if width <= 0 || all <= width {
		return apart
	}
	for over := all - width - (len(widths) - 1); over > 0; over-- {
		widest := -1
		for i, w := range widths {
			if w > narrow && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return closer
}

// align lays out a line. Nothing follows the last cell.
func align(cells []string, widths []int, gap, width int) string {
	var b strings.Builder
	for i, cell := range cells {
		if i < len(widths) && screen.Width(cell) > widths[i] {
			if strings.Contains(cell, " ") {
				cell = screen.Cut(cell, widths[i])
			} else {
				cell = screen.CutMiddle(cell, widths[i])
			}
		}
		b.WriteString(cell)
		if i < len(cells)-1 && i < len(widths) {
			b.WriteString(strings.Repeat(" ", max(widths[i]-screen.Width(cell), 0)+gap))
		}
	}
	return screen.Cut(b.String(), width) + "\n"
}
