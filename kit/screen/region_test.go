package screen_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/screen"
)

// What is written is held to a terminal by the golden screens of the command line and the lab; here are the bytes.
func TestARegionWipesWhatItDrew(t *testing.T) {
	width, height := 10, 5
	var b strings.Builder
	r := screen.NewRegion(&b, func() (int, int) { return width, height })
	said := func(want string) {
		t.Helper()
		if b.String() != want {
			t.Errorf("wrote %q, want %q", b.String(), want)
		}
		b.Reset()
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(r.Draw("a", "\x1b[32mlonger than ten\x1b[0m"))
	said("a\n\x1b[32mlonger th…\x1b[0m\n")
	try(r.Draw("a", "\x1b[32mlonger than ten\x1b[0m"))
	said("")
	try(r.Draw("b"))
	said("\x1b[2A\x1b[Jb\n")
	try(r.Above("this line stays, however long"))
	said("\x1b[1A\x1b[Jthis line stays, however long\nb\n")
	var many []string
	for i := range 9 {
		many = append(many, fmt.Sprint(i))
	}
	try(r.Draw(many...))
	said("\x1b[1A\x1b[J0\n1\n2\n… and 6 m…\n")
	try(r.Draw("0123456789"))
	said("\x1b[4A\x1b[J0123456789\n")
	width = 4 // the line takes three rows now
	try(r.Draw("0123456789"))
	said("\x1b[3A\x1b[J012…\n")
	r.End()
	try(r.Draw("new"))
	said("new\n")
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		cut   string
		mid   string
	}{
		{"short", 10, "short", "short"},
		{"any", 0, "any", "any"},
		{"kong-eu-west-17", 9, "kong-eu-…", "kong…t-17"},
		{"日本日本日本", 7, "日本日…", "日…日本"},
	} {
		if got := screen.Cut(tt.text, tt.width); got != tt.cut {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.cut)
		}
		if got := screen.CutMiddle(tt.text, tt.width); got != tt.mid {
			t.Errorf("CutMiddle(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.mid)
		}
	}
}
