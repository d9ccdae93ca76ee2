package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// maxDocuments is the most documents of one stream. More are an accident or an attack.
const maxDocuments = 1000

// Bounds of what aliases may add to a document, in values and in bytes of text. Aliased values share memory here, but not in the output.
const (
	maxAliased     = 1_000_000
	maxAliasedText = 32 << 20
)

type yamlReader struct {
	limits  Limits
	nodes   int // values, with those of aliases counted each time
	grown   int // bytes of text, counted likewise
	aliased int // values that aliases added
	text    int // bytes of text that they added
	deepest int
	anchors map[*yaml.Node]anchored
	slab    slab
}

// anchored is a value for which an alias may stand, and its cost.
type anchored struct {
	node                 *Node
	nodes, grown, height int
}

func readYAML(text []byte, limits Limits) (*Document, *Fault) {
	if estimate(text) > limits.Memory {
		return nil, tooMuchMemory(1, limits.Memory)
	}
	doc := &Document{}
	r := &yamlReader{limits: limits, anchors: map[*yaml.Node]anchored{}}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for count := 0; ; count++ {
		var parsed yaml.Node
		err := decode(decoder, &parsed)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, yamlFault(err, text)
		}
		if count >= maxDocuments {
			return nil, &Fault{Class: Limit, Line: parsed.Line, Message: fmt.Sprintf("more than %d YAML documents in one stream", maxDocuments)}
		}
		root, fault := r.convert(&parsed, 0)
		if fault != nil {
			return nil, fault
		}
		if root != nil && root.Kind != Null {
			doc.Roots = append(doc.Roots, root)
		}
	}
	if len(doc.Roots) == 0 {
		return nil, &Fault{Class: Empty, Line: 1, Message: "the document holds no configuration"}
	}
	return doc, nil
}

// decode turns a panic of the YAML library into an error: one hostile file must
// not end the process.
func decode(d *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("yaml: the document cannot be parsed")
		}
	}()
	return d.Decode(into)
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func yamlFault(err error, text []byte) *Fault {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	f := &Fault{Class: Syntax, Line: 1}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		message = strings.TrimPrefix(message, m[0]+": ")
	}
	f.Line = max(1, min(f.Line, 1+bytes.Count(text, []byte("\n"))))
	// The library repeats parts of the text only for anchors and directives.
	if strings.Contains(message, "unknown anchor") {
		message = "an alias without an anchor"
	}
	f.Message = "not valid YAML: " + strings.Map(func(c rune) rune {
		if c < ' ' {
			return ' '
		}
		return c
	}, message)
	return f
}

func (r *yamlReader) node(kind Kind, y *yaml.Node) *Node {
	n := r.slab.next()
	n.Kind, n.Pos = kind, position(y)
	return n
}

func position(y *yaml.Node) Position { return Position(uint64(y.Line)<<32 | uint64(uint32(y.Column))) }

func fault(y *yaml.Node, class, message string) *Fault {
	return &Fault{Class: class, Line: y.Line, Column: y.Column, Message: message}
}

// convert converts a value of the library, and records it if it has an anchor.
func (r *yamlReader) convert(y *yaml.Node, depth int) (*Node, *Fault) {
	if y.Anchor == "" || y.Kind == yaml.AliasNode {
		return r.value(y, depth)
	}
	nodes, grown, deepest := r.nodes, r.grown, r.deepest
	r.deepest = depth
	n, f := r.value(y, depth)
	if f == nil {
		r.anchors[y] = anchored{n, r.nodes - nodes, r.grown - grown, r.deepest - depth}
	}
	r.deepest = max(r.deepest, deepest)
	return n, f
}

func (r *yamlReader) value(y *yaml.Node, depth int) (*Node, *Fault) {
	if depth > r.limits.Depth {
		return nil, r.tooDeep(y)
	}
	r.deepest = max(r.deepest, depth)
	r.grown += len(y.Value)
	if r.nodes++; r.nodes > r.limits.Nodes || r.grown > r.limits.Grown {
		return nil, fault(y, Limit, "the document holds too many values")
	}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) == 0 {
			return nil, nil
		}
		return r.convert(y.Content[0], depth)
	case yaml.AliasNode:
		return r.alias(y, depth)
	case yaml.SequenceNode:
		if tag := y.ShortTag(); tag != "!!seq" {
			return nil, badTag(y)
		}
		n := r.node(List, y)
		n.Items = make([]*Node, 0, len(y.Content))
		for _, item := range y.Content {
			v, f := r.convert(item, depth+1)
			if f != nil {
				return nil, f
			}
			n.Items = append(n.Items, v)
		}
		return n, nil
	case yaml.MappingNode:
		if tag := y.ShortTag(); tag != "!!map" {
			return nil, badTag(y)
		}
		return r.mapping(y, depth)
	case yaml.ScalarNode:
		return r.scalar(y)
	}
	return nil, nil
}

func badTag(y *yaml.Node) *Fault {
	return fault(y, Type, "the tag "+fleet.Quote(y.Tag)+" is not supported")
}

// alias returns the value of an anchor. Values are immutable, so one value can stand at many places. Its cost counts each time.
func (r *yamlReader) alias(y *yaml.Node, depth int) (*Node, *Fault) {
	a, ok := r.anchors[y.Alias]
	if !ok { // its anchor is still open
		return nil, fault(y, Limit, "an alias within its own anchor")
	}
	r.nodes += a.nodes
	r.grown += a.grown
	r.aliased += a.nodes
	r.text += a.grown
	r.deepest = max(r.deepest, depth+a.height)
	if r.nodes > r.limits.Nodes || r.grown > r.limits.Grown || r.aliased > maxAliased || r.text > maxAliasedText {
		return nil, fault(y, Limit, "too many values once the aliases are expanded")
	}
	if depth+a.height > r.limits.Depth {
		return nil, r.tooDeep(y)
	}
	if a.node.Kind == List || a.node.Kind == Map {
		return a.node, nil
	}
	n := r.node(a.node.Kind, y)
	n.Text = a.node.Text
	return n, nil
}

func (r *yamlReader) tooDeep(y *yaml.Node) *Fault {
	return fault(y, Limit, fmt.Sprintf("nested more than %d levels deep", r.limits.Depth))
}

func (r *yamlReader) mapping(y *yaml.Node, depth int) (*Node, *Fault) {
	n := r.node(Map, y)
	n.Keys = make([]Key, 0, len(y.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fault(key, Type, "a key must be a string")
		}
		if key.ShortTag() == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if tag := key.ShortTag(); tag != "!!str" && tag != "!!timestamp" {
			return nil, fault(key, Type, "a key must be a string; put it in quotes")
		}
		v, f := r.convert(value, depth+1)
		if f != nil {
			return nil, f
		}
		n.Keys = append(n.Keys, Key{key.Value, position(key), v})
	}
	if i := repeated(n.Keys); i >= 0 {
		at := n.Keys[i].Pos
		return nil, &Fault{Class: Duplicate, Line: int(at >> 32), Column: int(at & 0xffffffff),
			Message: fmt.Sprintf("the key %s occurs twice; one of the values would be lost", fleet.Quote(n.Keys[i].Name))}
	}
	for _, m := range merges {
		if f := r.merge(n, m, depth); f != nil {
			return nil, f
		}
	}
	return n, nil
}

// merge adds the members of a merge key that the map does not have yet.
func (r *yamlReader) merge(into *Node, y *yaml.Node, depth int) *Fault {
	n, f := r.convert(y, depth+1)
	if f != nil {
		return f
	}
	sources := []*Node{n}
	if n.Kind == List {
		sources = n.Items
	}
	have := make(map[string]struct{}, len(into.Keys))
	for i := range into.Keys {
		have[into.Keys[i].Name] = struct{}{}
	}
	for _, source := range sources {
		if source.Kind != Map {
			return fault(y, Type, "only a map, or a list of maps, can be merged with <<")
		}
		for _, k := range source.Keys {
			if _, there := have[k.Name]; !there {
				have[k.Name] = struct{}{}
				into.Keys = append(into.Keys, k)
			}
		}
	}
	return nil
}

// plainInt matches decimal integers that every version of YAML reads alike.
var (
	plainInt   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	plainFloat = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
)

func (r *yamlReader) scalar(y *yaml.Node) (*Node, *Fault) {
	n := r.node(String, y)
	n.Text = y.Value
	switch y.ShortTag() {
	case "!!str", "!!timestamp":
		if y.Tag == "!!timestamp" && y.Style&yaml.TaggedStyle != 0 {
			return nil, badTag(y)
		}
		if strings.ContainsFunc(y.Value, func(c rune) bool { return c == 0 }) {
			return nil, fault(y, Encoding, "a NUL within a string")
		}
		return n, nil
	case "!!null":
		n.Kind, n.Text = Null, ""
		return n, nil
	case "!!bool":
		n.Kind, n.Text = Bool, strings.ToLower(y.Value)
		return n, nil
	case "!!int":
		if !plainInt.MatchString(y.Value) {
			return nil, fault(y, Type, "YAML readers disagree on this number; write it in decimal, or in quotes if it is text")
		}
	case "!!float":
		if !plainFloat.MatchString(y.Value) {
			return nil, fault(y, Type, "not a number that JSON can hold; write it in decimal, or in quotes if it is text")
		}
	default:
		return nil, badTag(y)
	}
	text := strings.TrimPrefix(y.Value, "+")
	kind, canonical, why := number(jsonNumber(text))
	if why != "" {
		return nil, fault(y, Type, why)
	}
	n.Kind, n.Text = kind, canonical
	return n, nil
}

// jsonNumber writes a YAML number as JSON: digits on both sides of the point, no leading zeros.
func jsonNumber(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i:]
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if !point {
		return sign + whole + exponent
	}
	if fraction == "" {
		fraction = "0"
	}
	return sign + whole + "." + fraction + exponent
}
