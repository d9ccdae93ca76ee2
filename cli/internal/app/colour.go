package app

// A Colour is an ANSI colour by number.
type Colour string

// The colours in use.
const (
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
	Dim    Colour = "2"
)

// Colour colours a text on a terminal. It returns the text unchanged elsewhere and with NO_COLOR.
func (a *App) Colour(c Colour, text string) string {
	if !a.Colours {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}
