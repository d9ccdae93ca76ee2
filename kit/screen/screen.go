// Package screen draws on terminals: it measures terminals and texts, and redraws a few lines in place. It does not clean texts; kit/clean
// does.
package screen

import (
	"os"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// A Size is the present number of columns and rows of a terminal. Zeros are unknown.
type Size func() (width, height int)

// Is reports whether a file is a terminal.
func Is(file *os.File) bool {
	return term.IsTerminal(int(file.Fd())) //nolint:gosec // a descriptor is small
}

// SizeOf returns the present size of the terminal that a file is.
func SizeOf(file *os.File) Size {
	return func() (width, height int) {
		width, height, err := term.GetSize(int(file.Fd())) //nolint:gosec // a descriptor is small
		if err != nil {
			return 0, 0
		}
		return width, height
	}
}

// Width returns how many cells a text takes. Colours take none.
func Width(text string) int { return ansi.StringWidth(text) }

const ellipsis = "…"

// Cut shortens a text to a width in cells and then ends it in "…". Colours in it are kept.
func Cut(text string, width int) string {
	if width <= 0 || Width(text) <= width {
		return text
	}
	return ansi.Truncate(text, width, ellipsis)
}

// CutMiddle shortens a text without colours to a width in cells, with "…" in the middle: names often differ at their end.
func CutMiddle(text string, width int) string {
	const few = 5
	all := Width(text)
	if width <= 0 || all <= width {
		return text
	}
	if width < few {
		return Cut(text, width)
	}
	tail := (width - 1) / 2
	cut := ansi.Truncate(text, width-1-tail, "") + ellipsis + ansi.TruncateLeft(text, all-tail, "")
	return ansi.Truncate(cut, width, "") // a wide character may span the place of a cut
}

// Wrap breaks a text between words, so that no line is wider than a width in cells. A word that is wider is broken.
func Wrap(text string, width int) string { return ansi.Wrap(text, width, "") }
