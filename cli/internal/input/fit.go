package input

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// place is where a template is in its line.
type place int

const (
	bare         place = iota // part of a plain scalar, or in a block of text
	wholeScalar               // the whole of a plain scalar
	doubleQuoted              // inside "…"
	singleQuoted              // inside '…'
	inBlock                   // in a block of text
	blockStart                // at the beginning of a line there
)

// surroundings determines the place of text[from:to] from its line. It reads quotes as YAML and JSON do, which is all that a scan before
// parsing can know.
func surroundings(text []byte, from, to int) place {
	before := text[bytes.LastIndexByte(text[:from], '\n')+1 : from]
	after := text[to:]
	if i := bytes.IndexByte(after, '\n'); i >= 0 {
		after = after[:i]
	}
	switch openQuote(before) {
	case '"':
		return doubleQuoted
	case '\'':
		return singleQuoted
	}
	lead := bytes.TrimRight(before, " \t")
	opens := len(lead) == 0 || bytes.HasSuffix(lead, []byte(":")) || bytes.HasSuffix(lead, []byte("-"))
	if opens && len(bytes.TrimSpace(after)) == 0 {
		return wholeScalar
	}
	return bare
}

// blockOf determines where in a block of text a template is.
func blockOf(text []byte, from int) place {
	if len(bytes.TrimSpace(text[bytes.LastIndexByte(text[:from], '\n')+1:from])) == 0 {
		return blockStart
	}
	return inBlock
}

// openQuote returns the quote that is open at the end of a line's beginning, or 0. A quote inside an earlier
// template of the line is not one of the document's.
func openQuote(before []byte) byte {
	var open byte
	for i := 0; i < len(before); i++ {
		c := before[i]
		switch {
		case bytes.HasPrefix(before[i:], []byte("${{")):
			if end := bytes.Index(before[i:], []byte("}}")); end >= 0 {
				i += end + 1
			}
		case open == '"' && c == '\\':
			i++
		case open == c:
			open = 0
		case open == 0 && (c == '"' || c == '\'') && opensScalar(before[:i]):
			open = c
		}
	}
	return open
}

// opensScalar distinguishes a quote that begins a scalar from an apostrophe within one.
func opensScalar(before []byte) bool {
	trimmed := bytes.TrimRight(before, " \t")
	if len(trimmed) == 0 {
		return true
	}
	return bytes.IndexByte([]byte(":-,[{"), trimmed[len(trimmed)-1]) >= 0
}

// fit adapts a value to its place, so that it stays one value. Errors never hold the value.
func fit(value string, t template, at place) (string, error) {
	if t.has("indent") {
		return value, nil // the author laid it out in a block of text
	}
	switch at {
	case doubleQuoted:
		quoted, ok := jsonQuote(value)
		if !ok {
			return "", fmt.Errorf("the value of environment variable %s is not valid UTF-8", t.variable)
		}
		return quoted[1 : len(quoted)-1], nil
	case singleQuoted:
		if strings.ContainsAny(value, "\n\r") {
			return "", fmt.Errorf("the value of environment variable %s has several lines; put the template in double quotes, or use indent in a "+
				"block", t.variable)
		}
		return strings.ReplaceAll(value, "'", "''"), nil
	}
	if at == inBlock || at == blockStart {
		switch {
		case strings.ContainsAny(value, "\n\r"):
			return "", fmt.Errorf("the value of environment variable %s has several lines; in a block of text it needs the number of spaces that "+
				"the text begins with, as in ${{ env %q | indent 8 }}",
				t.variable, t.variable)
		case strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }) || !utf8.ValidString(value):
			return "", fmt.Errorf("the value of environment variable %s has characters that cannot stand in a block of text; write the text in "+
				"double quotes instead", t.variable)
		case at == blockStart && strings.TrimLeft(value, " \t") != value:
			return "", fmt.Errorf("the value of environment variable %s begins with a space, which would change the indentation of the block of "+
				"text; write the text in double quotes instead", t.variable)
		}
		return value, nil
	}
	if plain(value) {
		return value, nil
	}
	if at == wholeScalar {
		if quoted, ok := jsonQuote(value); ok {
			return quoted, nil
		}
	}
	return "", fmt.Errorf("the value of environment variable %s would change the structure of the document; put the template in double "+
		"quotes", t.variable)
}
