// Package screentest shows what a person would see: it stands for a terminal of a size, and obeys what is written to it. A line that
// wrapped, or was left behind, shows.
package screentest

import (
	"strings"
	"sync"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// A Terminal is an emulated one. It may be written to by several goroutines.
type Terminal struct {
	mu            sync.Mutex
	width, height int
	written       strings.Builder
}

// New returns a terminal.
func New(width, height int) *Terminal { return &Terminal{width: width, height: height} }

// Size returns its columns and rows.
func (t *Terminal) Size() (width, height int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.width, t.height
}

// Resize gives it another size. Like most terminals it wraps what stands on it anew.
func (t *Terminal) Resize(width, height int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.width, t.height = width, height
}

// Write implements io.Writer.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written.Write(p)
}

// Screen returns all lines that a person sees, with those that scrolled away, without blanks at their ends.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := vt.NewEmulator(t.width, t.height)
	defer func() { _ = e.Close() }()
	// A terminal's driver sends a return with each new line.
	_, _ = e.WriteString(strings.ReplaceAll(t.written.String(), "\n", "\r\n"))
	var b strings.Builder
	for i := range e.ScrollbackLen() {
		var line strings.Builder
		for x := 0; x < t.width; {
			c := e.ScrollbackCellAt(x, i)
			if c == nil || c.Content == "" {
				line.WriteString(" ")
				x++
				continue
			}
			line.WriteString(c.Content)
			x += max(c.Width, 1)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	for line := range strings.Lines(e.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Fits fails the test for each line that was written wider than the terminal is.
func (t *Terminal) Fits(tb testing.TB) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(t.written.String()) {
		if w := ansi.StringWidth(strings.TrimRight(line, "\r\n")); w > t.width {
			tb.Errorf("a line takes %d cells of a terminal of %d: %q", w, t.width, line)
		}
	}
}
