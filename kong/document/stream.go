package document

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A configuration mostly consists of long lists right under the root, and the compiler needs one entry at a time. Open leaves the lists of
// a large document unread. Each reads them entry by entry, so that the trees of all entries are never in memory together.

// Open reads a document as Read does, but may leave lists right under the root to Each. Nodes of such lists have no Items. Keys that begin
// with an underscore are read at once.
func Open(name string, text []byte, limits Limits) (*Document, *Fault) {
	return read(name, text, limits, len(text) >= splitFrom)
}

// Each passes the elements of a list in order until f returns false. A fault means that the document cannot be read this way. Then the
// elements passed before do not count, and the caller continues with Whole.
func (d *Document) Each(list *Node, f func(i int, e *Node) bool) *Fault {
	if each := d.deferred[list]; each != nil {
		return each(f)
	}
	for i, e := range list.Items {
		if !f(i, e) {
			break
		}
	}
	return nil
}

// Whole reads the whole document again after Each failed with a fault. Its result counts: an entry that is invalid by itself may be valid
// after the text before it. A text that is too large for that keeps its fault.
func (d *Document) Whole(fault *Fault) (*Document, *Fault) {
	if d.json || estimate(d.text) > d.limits.Memory {
		return nil, fault
	}
	return readYAML(d.text, d.limits)
}

// Cost returns about how many bytes of memory it takes to read a text, besides the text.
func Cost(name string, text []byte) int {
	if looksLikeJSON(name, text) {
		return 1 << 20
	}
	whole := estimate(text)
	if len(text) < splitFrom || whole < streamCost {
		return whole
	}
	if _, parts := split(text, partSize); len(parts) < 2 {
		return whole
	}
	return streamCost
}

// streamCost is about how much memory Each uses at a time.
const streamCost = 48 << 20

// partsAhead bounds how many parts are read ahead, whatever the number of processors.
const partsAhead = 3

// partSize is how much of a text each worker reads at a time.
const partSize = 256 << 10

// valueCost is about the memory of a value while a text is read as a whole: in the library's tree, and in ours.
const valueCost = 290

// estimate returns about how many bytes it takes to read a YAML text as a whole. Each value follows one of these marks. Blank lines hold
// none, and a frame has many.
func estimate(text []byte) int {
	marks, before := 1, byte('\n')
	for i, c := range text {
		switch c {
		case '\n':
			if before != '\n' {
				marks++
			}
		case ':', ',', '[', '{':
			marks++
		case '-':
			if i+1 < len(text) && text[i+1] == ' ' {
				marks++
			}
		case '\r':
			continue
		}
		before = c
	}
	return marks * valueCost
}

func tooMuchMemory(line, limit int) *Fault {
	return &Fault{Class: Limit, Line: line, Message: fmt.Sprintf("this takes more than %d MiB of memory to read, for it must be read as a "+
		"whole; "+
		"write it in block style with short entries in the lists of the top level and without aliases between them, or as JSON, or split it "+
		"into several documents", limit>>20)}
}

// slab allocates nodes several at a time. While one of them is used all are kept, so a caller that drops an entry starts the next with
// another slab.
type slab struct {
	free []Node
	size int
}

func (s *slab) next() *Node {
	if len(s.free) == 0 {
		s.size = min(max(16, 2*s.size), 256)
		s.free = make([]Node, s.size)
	}
	n := &s.free[0]
	s.free = s.free[1:]
	return n
}

// deferred reads the entries of a list that Open did not read.
type deferred func(f func(int, *Node) bool) *Fault

// openYAML reads a text that can be read in parts. It returns nil for others.
func openYAML(text []byte, size int, limits Limits) (*Document, *Fault) {
	frame, parts := split(text, size)
	if len(parts) < 2 || estimate(frame) > limits.Memory {
		return nil, nil
	}
	top, ok := decodeOne(frame)
	if !ok || top.Kind != yaml.MappingNode {
		return nil, nil
	}
	blank := map[int]bool{} // lines of keys whose values are blank in the frame
	for i := 0; i+1 < len(top.Content); i += 2 {
		if isBlank(top.Content[i+1]) {
			blank[top.Content[i].Line] = true
		}
	}
	sections := map[int][]entries{}
	for _, p := range parts {
		if !blank[p.section] {
			return nil, nil
		}
		sections[p.section] = append(sections[p.section], p)
	}
	r := &yamlReader{limits: limits, anchors: map[*yaml.Node]anchored{}}
	root, fault := r.convert(top, 0)
	if fault != nil {
		if estimate(text) > limits.Memory {
			return nil, fault
		}
		return nil, nil // it may not be the first
	}
	doc := &Document{Roots: []*Node{root}, text: text, limits: limits, deferred: map[*Node]deferred{}}
	for i := range root.Keys {
		list := root.Keys[i].Value
		parts := sections[int(root.Keys[i].Pos>>32)]
		if len(parts) == 0 {
			continue
		}
		list.Kind, list.Pos = List, Position(uint64(parts[0].line)<<32|uint64(parts[0].indent+1)) //nolint:gosec // a column
		doc.deferred[list] = func(f func(int, *Node) bool) *Fault { return r.parts(parts, f) }
	}
	return doc, nil
}

// isBlank reports whether a key has no value on its line.
func isBlank(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Anchor == "" && n.ShortTag() == "!!null" && n.Style == 0
}

// parts reads the parts of one list, a few ahead, and passes on their entries.
func (r *yamlReader) parts(parts []entries, f func(int, *Node) bool) *Fault {
	type result struct {
		list  *yaml.Node
		fault *Fault
	}
	ahead := make(chan chan result, min(max(1, runtime.GOMAXPROCS(0)-1), partsAhead))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(ahead)
		for _, p := range parts {
			done := make(chan result, 1)
			select {
			case ahead <- done:
			case <-stop:
				return
			}
			go func() {
				list, fault := p.decode(r.limits)
				done <- result{list, fault}
			}()
		}
	}()
	i := 0
	for done := range ahead {
		got := <-done
		if got.fault != nil {
			return got.fault
		}
		for _, y := range got.list.Content {
			r.slab = slab{}
			e, fault := r.convert(y, 2)
			if fault != nil {
				return fault
			}
			if !f(i, e) {
				return nil
			}
			i++
		}
		clear(r.anchors) // an alias to another part would not have been resolved
	}
	return nil
}

// decode reads one part.
func (p entries) decode(limits Limits) (*yaml.Node, *Fault) {
	if estimate(p.text) > limits.Memory {
		return nil, tooMuchMemory(p.line, limits.Memory)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(p.text))
	var parsed yaml.Node
	if err := decode(decoder, &parsed); err != nil {
		f := yamlFault(err, p.text)
		f.Line += p.line - 1
		return nil, f
	}
	if len(parsed.Content) != 1 || parsed.Content[0].Kind != yaml.SequenceNode || parsed.Content[0].Style&yaml.FlowStyle != 0 ||
		decode(decoder, &yaml.Node{}) == nil {
		return nil, &Fault{Class: Syntax, Line: p.line, Message: "not valid YAML: the entries of a list do not end where the next begin"}
	}
	list := parsed.Content[0]
	moveDown(list, p.line-1)
	return list, nil
}

func looksLikeJSON(name string, text []byte) bool {
	trimmed := strings.TrimLeft(string(text[:min(len(text), 512)]), " \t\r\n")
	return isJSON(name) || strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")
}

func isJSON(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".json") }
