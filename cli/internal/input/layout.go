package input

import (
	"bytes"
	"strings"
)

// layout has which parts of a document are comments and which are blocks of text, determined from its lines before it is parsed. It reads
// YAML; JSON has neither.
type layout struct {
	comments, blocks []span // in order
}

type span struct{ from, to int }

// comment reports whether a place is within a comment.
func (l *layout) comment(at int) bool { return within(&l.comments, at) }

// block reports whether a place is within a block of text, after | or >.
func (l *layout) block(at int) bool { return within(&l.blocks, at) }

// within searches forward from the last place that was asked for.
func within(spans *[]span, at int) bool {
	for len(*spans) > 0 && (*spans)[0].to <= at {
		*spans = (*spans)[1:]
	}
	return len(*spans) > 0 && (*spans)[0].from <= at
}

func layoutOf(text []byte) *layout {
	var (
		l     layout
		quote byte // that is open, over lines
		block = -1 // lines with more indentation are text
	)
	for from := 0; from < len(text); {
		to := len(text)
		if i := bytes.IndexByte(text[from:], '\n'); i >= 0 {
			to = from + i + 1
		}
		line := text[from:to]
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		if block >= 0 && (indent > block || len(bytes.TrimSpace(line)) == 0) {
			l.blocks = append(l.blocks, span{from, to})
		} else {
			end, open := scalarEnd(line, quote)
			if quote, block = open, -1; end < len(line) {
				l.comments = append(l.comments, span{from + end, to})
			}
			if quote == 0 {
				block = blockIndent(line[:end])
			}
		}
		from = to
	}
	return &l
}

// scalarEnd returns where a line's comment begins, or its length, and the quote that is open at its end.
func scalarEnd(line []byte, quote byte) (int, byte) {
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case bytes.HasPrefix(line[i:], []byte("${{")):
			if end := bytes.Index(line[i:], []byte("}}")); end >= 0 {
				i += end + 1
			}
		case quote == '"' && c == '\\', quote == '\'' && c == '\'' && i+1 < len(line) && line[i+1] == '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return i, 0
		case (c == '"' || c == '\'') && opensScalar(line[:i]):
			quote = c
		}
	}
	return len(line), quote
}

// blockIndent returns the indentation of the item whose | or > ends the line, or -1 when the line has none.
func blockIndent(line []byte) int {
	text := strings.TrimRight(string(line), " \t\r\n")
	head := strings.TrimRight(text, "+-0123456789")
	if !strings.HasSuffix(head, "|") && !strings.HasSuffix(head, ">") || len(text)-len(head) > 2 {
		return -1
	}
	head = head[:len(head)-1]
	key := strings.TrimRight(head, " \t")
	for at := strings.LastIndexAny(key, " \t") + 1; at > 0 && len(key) < len(head) &&
		strings.ContainsAny(key[at:at+1], "!&"); at = strings.LastIndexAny(key, " \t") + 1 {
		key = strings.TrimRight(key[:at], " \t") // a tag or an anchor
	}
	// A key or the dash of an item comes before it. Otherwise the line is text that ends in this character.
	if len(key) == len(head) || !strings.HasSuffix(key, ":") && strings.Trim(key, " -") != "" {
		return -1
	}
	indent := 0
	for indent < len(key) && (key[indent] == ' ' || key[indent] == '-' && indent+1 < len(key) && key[indent+1] == ' ') {
		indent++
	}
	return indent
}
