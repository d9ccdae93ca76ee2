package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// proseLimit is how long a line of prose may be, so that a difference of two versions can be read. Tables and blocks of code are exempt.
const proseLimit = 160

func TestLinesOfProseAreShort(t *testing.T) {
	top := root(t)
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name == ".git" || name == "bin" || name == "third_party" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(top, path)
		for _, number := range tooLong(string(text)) {
			t.Errorf("%s:%d: over %d characters", name, number, proseLimit)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tooLong returns the numbers of the lines of prose that are over the limit.
func tooLong(text string) (numbers []int) {
	code, number := false, 0
	for line := range strings.Lines(text) {
		number++
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			code = !code
		case !code && !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "    ") && utf8.RuneCountInString(line) > proseLimit:
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func TestTooLong(t *testing.T) {
	long := strings.Repeat("x", proseLimit+1)
	text := "short\n" + long + "\n| " + long + " |\n```\n" + long + "\n```\n" + long[1:] + "\n- " + long
	if got := tooLong(text); len(got) != 2 || got[0] != 2 || got[1] != 8 {
		t.Errorf("got lines %v, want 2 and 8", got)
	}
}
