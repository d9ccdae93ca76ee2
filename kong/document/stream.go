package document

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A configuration is mostly long lists right under the root, and who compiles it needs one entry at a time. Open leaves the lists of a
// large document unread, and Each reads them entry by entry, so that the trees of all entries are never in memory together.

// Open reads a document as Read does, but may leave lists right under its root to Each: their nodes have no Items. Keys that begin
// with an underscore are read whole.
func Open(name string, text []byte, limits Limits) (*Document, *Fault) {
	return read(name, text, limits, len(text) >= splitFrom)
}

// Each passes the elements of a list in their order, until f says that it wants no more. A fault says that the document cannot be
// read after all, and what was passed before counts for nothing: Whole says how it is read then.
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

// Whole reads a document of which Each failed with a fault once more, as a whole. That is what counts: an entry that means nothing by
// itself may mean something after what stands before it. A text that is too large for that keeps its fault.
func (d *Document) Whole(fault *Fault) (*Document, *Fault) {
	if d.json || estimate(d.text) > d.limits.Memory {
		return nil, fault
	}
	return readYAML(d.text, d.limits)
}

// Cost says about how many bytes of memory it takes to read a text, beside itself.
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

// streamCost is about what Each holds at a time.
const streamCost = 48 << 20

// partsAhead bounds how many parts wait for who reads them, whatever the number of processors.
const partsAhead = 3

// partSize is how much of a text is read at a time by each worker.
const partSize = 256 << 10

// valueCost is about what a value takes while a text is read as a whole: in the tree of the YAML library, and in ours.
const valueCost = 290

// estimate says about how many bytes it takes to read a text of YAML as a whole: a value stands behind one of these marks. Blank lines
// hold none, and a frame has many.
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

// slab makes nodes, several at a time. While one is used all are kept, so who drops an entry begins the next one with another.
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

// deferred reads the entries of a list that Open did not keep.
type deferred func(f func(int, *Node) bool) *Fault

// openYAML reads a text that can be read in parts; nil when it cannot.
func openYAML(text []byte, size int, limits Limits) (*Document, *Fault) {
	frame, parts := split(text, size)
	if len(parts) < 2 || estimate(frame) > limits.Memory {
		return nil, nil
	}
	top, ok := decodeOne(frame)
	if !ok || top.Kind != yaml.MappingNode {
		return nil, nil
	}
	blank := map[int]bool{} // lines of keys whose value is left blank in the frame
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

// isBlank reports whether nothing stands behind a key.
func isBlank(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Anchor == "" && n.ShortTag() == "!!null" && n.Style == 0
}

// parts reads the parts of one list, a few ahead, and passes their entries on.
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
		clear(r.anchors) // an alias of another part would not have been read
	}
	return nil
}

// decode reads a part by itself.
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
