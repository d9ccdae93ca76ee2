// Package screen draws on terminals: it knows how wide one is, how many cells a text takes, and how to draw a few lines again and again in
// the same place. It judges no text: what comes from elsewhere is cleaned before (kit/clean).
package screen

import (
	"os"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// A Size tells the columns and rows of a terminal, as they are now. Zeros are not known.
type Size func() (width, height int)

// Is reports whether a file is a terminal.
func Is(file *os.File) bool {
	return term.IsTerminal(int(file.Fd())) //nolint:gosec // a descriptor is small
}

// SizeOf asks the terminal that a file is for its size, again at each call.
func SizeOf(file *os.File) Size {
	return func() (width, height int) {
		width, height, err := term.GetSize(int(file.Fd())) //nolint:gosec // a descriptor is small
		if err != nil {
			return 0, 0
		}
		return width, height
	}
}

// Width is how many cells a text takes. Colours take none.
func Width(text string) int { return ansi.StringWidth(text) }

const ellipsis = "…"

// Cut shortens a text to a width in cells, and ends it in "…" then. Colours in it stay, and end where they did.
func Cut(text string, width int) string {
	if width <= 0 || Width(text) <= width {
		return text
	}
	return ansi.Truncate(text, width, ellipsis)
}

// CutMiddle shortens a text without colours to a width in cells, and leaves "…" in the middle: names often differ at their end.
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
	return ansi.Truncate(cut, width, "") // a wide character may stand across the place of a cut
}

// Wrap breaks a text between words, so that no line is wider than a width in cells. A word that is wider is broken.
func Wrap(text string, width int) string { return ansi.Wrap(text, width, "") }
