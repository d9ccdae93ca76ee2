package show

import (
	"io"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/screen"
)

// A Layout is what a table is laid out for. The zero Layout is for a file or a pipe: nothing is shortened.
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

// Draw prints the table with its columns aligned. An empty table prints its header, so that a script sees the columns. On a terminal no line is wider
// than that: the longest cells are shortened.
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
	fit(widths, lines[0], l.Width)
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(align(line, widths, l.Width))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text is a cell as it is shown.
func text(cell string) string {
	if cell == "" {
		return "-"
	}
	return clean.Line(cell, maxText)
}

// Columns stand gap cells apart, and none is made narrower than its title, or than narrow cells when its title is longer.
const (
	gap    = 3
	narrow = 8
)

func grow(widths []int, cells []string) {
	for i, cell := range cells[:min(len(cells), len(widths))] {
		widths[i] = max(widths[i], screen.Width(cell))
	}
}

// fit makes the widest columns narrower until they all fit into a width. Where they cannot, the line is cut in the end.
func fit(widths []int, header []string, width int) {
	if width <= 0 {
		return
	}
	over := (len(widths) - 1) * gap
	for _, w := range widths {
		over += w
	}
	for over -= width; over > 0; over-- {
		widest := -1
		for i, w := range widths {
			if w > min(screen.Width(header[i]), narrow) && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// align lays out a line. The last cell is followed by nothing.
func align(cells []string, widths []int, width int) string {
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
