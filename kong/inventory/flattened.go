package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/silverback-gateway/silverback/kong/proof"
)

// MaxText is the largest configuration that is read, in bytes of Kong's flattened YAML. That form has every default, so it is several times
// as large as the posted text.
const MaxText = 64 << 20

// kindName matches names of kinds.
var kindName = regexp.MustCompile(`^[a-z_][a-z0-9_]{1,63}$`)

// ErrNotFlattened means that a text is not in Kong's flattened form.
var ErrNotFlattened = errors.New("not a configuration in Kong's flattened form")

// Entities visits the entities of a configuration as Kong exports it (GET /config, fact F8), each as YAML, in their order. It leaves out
// the reserved route and its plugin; ours reports whether they were there, which means a snapshot of Silverback. It also leaves out the
// SNIs that Kong repeats within their certificate. Kong writes kinds and entities in block style at the margin, so one entity is parsed at
// a time, whatever the size of the whole. An error of visit ends the visit and is returned unchanged.
func Entities(text []byte, visit func(kind string, entity *yaml.Node) error) (managed bool, err error) {
	if len(text) > MaxText {
		return false, fmt.Errorf("%w: %d bytes are over the limit of %d", ErrNotFlattened, len(text), MaxText)
	}
	r := flattened{visit: visit}
	for rest := text; len(rest) > 0; {
		next := bytes.IndexByte(rest, '\n') + 1
		if next == 0 {
			next = len(rest)
		}
		if err := r.add(rest[:next]); err != nil {
			return r.managed, err
		}
		rest = rest[next:]
	}
	return r.managed, r.end()
}

// flattened is the state of reading a configuration.
type flattened struct {
	visit       func(kind string, entity *yaml.Node) error
	managed     bool
	kind        string
	block       []byte // of the current entity; nil when there is none
	line, start int    // the last line, and the first of the block
}

// add takes the next line, which is a part of the text, so that the block of an entity grows in place.
func (r *flattened) add(line []byte) error {
	r.line++
	switch {
	case bytes.HasPrefix(line, []byte("- ")):
		if err := r.end(); err != nil {
			return err
		}
		if r.kind == "" {
			return fmt.Errorf("%w: line %d does not belong to a kind", ErrNotFlattened, r.line)
		}
		r.block, r.start = line, r.line
	case r.block != nil && (line[0] == ' ' || line[0] == '\n' || line[0] == '\r'):
		r.block = r.block[:len(r.block)+len(line)]
	case line[0] == '\n' || line[0] == '\r' || line[0] == '#' || bytes.HasPrefix(line, []byte("---")) || bytes.HasPrefix(line, []byte("...")):
	default:
		if err := r.end(); err != nil {
			return err
		}
		return r.section(line)
	}
	return nil
}

// section reads the key of a kind. Only an empty list may follow on its line.
func (r *flattened) section(line []byte) error {
	key, value, found := bytes.Cut(line, []byte(":"))
	r.kind = string(bytes.Trim(key, "'\" "))
	value = bytes.TrimSpace(value)
	empty := len(value) == 0 || bytes.Equal(value, []byte("[]")) || bytes.Equal(value, []byte("{}"))
	if !found || !kindName.MatchString(r.kind) || r.kind[0] != '_' && !empty {
		return fmt.Errorf("%w: line %d", ErrNotFlattened, r.line)
	}
	return nil
}

// end visits the current entity.
func (r *flattened) end() error {
	if r.block == nil {
		return nil
	}
	node, err := parseOne(r.block)
	r.block = nil
	if err != nil {
		return fmt.Errorf("%w: the entity at line %d", ErrNotFlattened, r.start)
	}
	if reserved(r.kind, node) {
		r.managed = true
		return nil
	}
	if r.kind == "certificates" {
		drop(node, "snis")
	}
	return r.visit(r.kind, node)
}

func parseOne(block []byte) (*yaml.Node, error) {
	var list yaml.Node
	if err := yaml.Unmarshal(block, &list); err != nil {
		return nil, err
	}
	if len(list.Content) != 1 || list.Content[0].Kind != yaml.SequenceNode || len(list.Content[0].Content) != 1 ||
		list.Content[0].Content[0].Kind != yaml.MappingNode {
		return nil, ErrNotFlattened
	}
	return list.Content[0].Content[0], nil
}

// reserved reports whether an entity is part of the proof of serving.
func reserved(kind string, e *yaml.Node) bool {
	if proof.Reserved(kind, field(e, "id"), field(e, "name")) {
		return true
	}
	return kind == "plugins" && field(e, "route") == proof.RouteID
}

// field returns the text of a scalar field. It is empty when the field is missing or null.
func field(e *yaml.Node, name string) string {
	for i := 0; i+1 < len(e.Content); i += 2 {
		if v := e.Content[i+1]; e.Content[i].Value == name && v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
			return v.Value
		}
	}
	return ""
}

func drop(e *yaml.Node, name string) {
	for i := 0; i+1 < len(e.Content); i += 2 {
		if e.Content[i].Value == name {
			e.Content = append(e.Content[:i], e.Content[i+2:]...)
			return
		}
	}
}
