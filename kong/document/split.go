package document

import (
	"bytes"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// The YAML library is slow and works on one core. A configuration mostly consists of long lists right under the root. The entries of such a
// list can be read in parallel: a complete entry means the same alone and in its place. The rest, the frame, is read with the lists left
// blank, so that lines keep their numbers. A text that is not that simple is read as a whole. So is a text in which any part fails, because
// a quote that is left open in one part may be closed in the next.

// splitFrom is the size from which splitting is faster.
const splitFrom = 256 << 10

// entries are whole entries of one list.
type entries struct {
	text    []byte
	line    int // of the text's first line, from 1
	section int // line of the key whose value the list is
	indent  int // of the dashes
}

// header matches a key at the root without a value on its line. Keys that begin with an underscore affect the others, and stay in the
// frame.
var header = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*:[ \t]*(#[^\r\n]*)?\r?\n?$`)

// split cuts a text into its frame and parts of about a size. It returns no parts when the text is not simple enough.
func split(text []byte, size int) (frame []byte, parts []entries) {
	if otherBreaks(text) {
		return nil, nil
	}
	var (
		section, indent, line int
		open                  *entries // the part that is being built
		start, at             int
	)
	flush := func() {
		if open != nil {
			open.text = text[start:at]
			parts = append(parts, *open)
			open = nil
		}
	}
	began := false
	for at < len(text) {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		content := text[at:end]
		line++
		bare := bytes.TrimLeft(content, " ")
		depth := len(content) - len(bare)
		entry := bytes.HasPrefix(bare, []byte("- "))
		switch bare = bytes.TrimRight(bare, " \t\r\n"); {
		case len(bare) == 0 || bare[0] == '#':
			// The line belongs to the frame.
		case !began && string(bare) == "---":
			began = true // the mark of the only document
		case depth == 0 && !entry:
			flush()
			if bytes.HasPrefix(bare, []byte("---")) || bytes.HasPrefix(bare, []byte("...")) || bare[0] == '%' || bare[0] == '-' {
				return nil, nil
			}
			section, indent, began = 0, -1, true
			if header.Match(content) {
				section = line
			}
		case section == 0:
		case indent < 0 && !entry:
			section = 0 // a map, or a value on lines of its own
		case indent < 0:
			indent = depth
			open, start = &entries{line: line, section: section, indent: indent}, at
		case depth < indent || depth == indent && !entry:
			return nil, nil
		case depth == indent && at-start >= size:
			flush()
			open, start = &entries{line: line, section: section, indent: indent}, at
		}
		if open == nil {
			frame = append(frame, content...)
		} else {
			frame = append(frame, '\n')
		}
		at = end
	}
	flush()
	return frame, parts
}

// otherBreaks reports whether a text has line breaks of YAML that are neither LF nor CRLF.
func otherBreaks(text []byte) bool {
	if bytes.Count(text, []byte("\r")) != bytes.Count(text, []byte("\r\n")) {
		return true
	}
	for _, mark := range []string{"\u0085", "\u2028", "\u2029"} {
		if bytes.Contains(text, []byte(mark)) {
			return true
		}
	}
	return false
}

// decodeOne reads a text that must hold one document.
func decodeOne(text []byte) (*yaml.Node, bool) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if decode(decoder, &document) != nil || document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return nil, false
	}
	if decode(decoder, &yaml.Node{}) == nil {
		return nil, false
	}
	return document.Content[0], true
}

// moveDown adds lines to the positions of a tree. It does not follow aliases: their values are in the same tree.
func moveDown(n *yaml.Node, lines int) {
	n.Line += lines
	for _, child := range n.Content {
		moveDown(child, lines)
	}
}
