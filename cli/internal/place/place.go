// Package place finds the line of a field in the submitted files. A gateway refuses an entity by its field, and the control plane stores
// only where entities begin. The files are still at hand where they were applied.
package place

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// maxParsed is the largest file that is parsed again, in bytes: the parsed form is many times as large.
const maxParsed = 8 << 20

// Fields returns a function that moves a problem from the line where its entity begins to that of its field, or of the nearest written
// value around the field. A problem of another file, or without a certain place, is unchanged.
func Fields(source string, documents []*translatorv1.Document) func(*fleetv1.Problem) {
	return func(p *fleetv1.Problem) {
		if p == nil || p.GetField() == "" || p.GetLine() < 1 || p.GetSource() != "" && p.GetSource() != source {
			return
		}
		for _, d := range documents {
			if d.GetName() == p.GetDocument() && len(d.GetContent()) <= maxParsed {
				if line := lineOf(d.GetContent(), int(p.GetLine()), steps(p.GetField())); line > 0 {
					p.Line = int32(line) //nolint:gosec // a file has at most 8 Mi lines
				}
			}
		}
	}
}

// steps splits config.access[0] into config, access, 0.
func steps(field string) []string {
	return strings.FieldsFunc(field, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// lineOf returns the line of a field of the entity that begins at a line; 0 when no entity there has it.
func lineOf(content []byte, begins int, path []string) int {
	var root yaml.Node
	if len(path) == 0 || yaml.Unmarshal(content, &root) != nil {
		return 0
	}
	line := 0
	walk(&root, func(n *yaml.Node) bool {
		if n.Kind != yaml.MappingNode || n.Line != begins {
			return line == 0
		}
		if key, _ := child(n, path[0]); key != nil {
			line = follow(n, path)
		}
		return line == 0
	})
	return line
}

// walk visits nodes from the outside in, while visit returns true.
func walk(n *yaml.Node, visit func(*yaml.Node) bool) bool {
	if !visit(n) {
		return false
	}
	for _, inner := range n.Content {
		if !walk(inner, visit) {
			return false
		}
	}
	return true
}

// follow descends along a path as far as it is written.
func follow(n *yaml.Node, path []string) int {
	line := n.Line
	for _, step := range path {
		if n.Kind == yaml.AliasNode {
			return line // a value elsewhere may be shared
		}
		key, value := child(n, step)
		if value == nil {
			return line
		}
		line, n = key.Line, value
	}
	return line
}

// child returns a field of a mapping or an element of a list, with the node whose line it has.
func child(n *yaml.Node, step string) (key, value *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	}
	return nil, nil
}
