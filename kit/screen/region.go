package screen

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vbauerster/cupwriter"
)

// A Region is a few lines at the end of a terminal that are redrawn in place. No line is wider than the terminal, and the region is never
// higher: a line that wraps, or leaves the screen, could not be erased. It is for one goroutine.
type Region struct {
	out   *cupwriter.Writer
	size  Size
	lines []string // as they stand on the screen
	width int      // of the terminal when they were drawn
}

// NewRegion returns a region on a terminal of that size.
func NewRegion(out io.Writer, size Size) *Region {
	return &Region{out: cupwriter.New(out, true), size: size}
}

// Draw replaces the lines of the region. It writes nothing when they are unchanged.
func (r *Region) Draw(lines ...string) error { return r.draw(nil, lines) }

// Above prints lines above the region that stay. They may be longer than the terminal is wide.
func (r *Region) Above(lines ...string) error { return r.draw(lines, r.lines) }

// End leaves the region as it is. Later output appears below it.
func (r *Region) End() {
	r.out.Reset()
	r.lines = nil
}

func (r *Region) draw(above, lines []string) error {
	width, height := r.size()
	lines = fitted(lines, width, height)
	if len(above) == 0 && width == r.width && slices.Equal(lines, r.lines) {
		return nil
	}
	if width != r.width && len(r.lines) > 0 {
		// The terminal's width changed, and the terminal wrapped the region's lines again.
		r.out.Reset()
		if err := r.out.Flush(rows(r.lines, width, height)); err != nil {
			return fmt.Errorf("draw on the terminal: %w", err)
		}
	}
	for _, line := range slices.Concat(above, lines) {
		r.out.WriteString(line + "\n")
	}
	if err := r.out.Flush(len(lines)); err != nil {
		return fmt.Errorf("draw on the terminal: %w", err)
	}
	r.lines, r.width = lines, width
	return nil
}

// fitted cuts lines to the size of a terminal. The cursor takes the last row.
func fitted(lines []string, width, height int) []string {
	cut := make([]string, 0, len(lines))
	for _, line := range lines {
		cut = append(cut, Cut(strings.TrimRight(line, "\n"), width))
	}
	if most := height - 1; height > 1 && len(cut) > most {
		hidden := len(cut) - most + 1
		cut = append(cut[:most-1], Cut(fmt.Sprintf("… and %d more lines", hidden), width))
	}
	return cut
}

// rows returns how many rows lines take on a terminal of a width, after wrapping, as far as they are on the screen.
func rows(lines []string, width, height int) int {
	all := 0
	for _, line := range lines {
		all++
		if width > 0 {
			all += max(Width(line)-1, 0) / width
		}
	}
	if height > 1 {
		all = min(all, height-1)
	}
	return all
}
