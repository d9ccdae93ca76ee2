package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/silverback-gateway/silverback/kong/proof"
)

// MaxText is the largest configuration that is read, in bytes of Kong's flattened YAML: it spells out every default, so it is several times
// what was posted.
const MaxText = 64 << 20

// kindName is how kinds are named.
var kindName = regexp.MustCompile(`^[a-z_][a-z0-9_]{1,63}$`)

// ErrNotFlattened says that a text is not in Kong's flattened form.
var ErrNotFlattened = errors.New("not a configuration in Kong's flattened form")

// Entities visits the entities of a configuration as Kong exports it (GET /config, fact F8), each as YAML, in their order. The reserved
// route and its plugin are left out, and ours says that they were there: a snapshot of Silverback. SNIs that Kong repeats within their
// certificate are taken off. Kong writes kinds and entities in block style at the margin, and so one entity at a time is parsed, whatever
// the size of the whole. An error of visit ends the visit and comes back as it is.
func Entities(text []byte, visit func(kind string, entity *yaml.Node) error) (managed bool, err error) {
	if len(text) > MaxText {
		return false, fmt.Errorf("%w: %d bytes are over the limit of %d", ErrNotFlattened, len(text), MaxText)
	}
	kind, line, start := "", 0, -1
	var block []byte
	end := func() error {
		if block == nil {
			return nil
		}
		node, err := parseOne(block)
		block = nil
		if err != nil {
			return fmt.Errorf("%w: the entity of line %d", ErrNotFlattened, start)
		}
		if reserved(kind, node) {
			managed = true
			return nil
		}
		if kind == "certificates" {
			drop(node, "snis")
		}
		return visit(kind, node)
	}
	for rest := text; len(rest) > 0; {
		next := bytes.IndexByte(rest, '\n') + 1
		if next == 0 {
			next = len(rest)
		}
		at := rest[:next]
		rest = rest[next:]
		line++
		switch {
		case bytes.HasPrefix(at, []byte("- ")):
			if err := end(); err != nil {
				return managed, err
			}
			if kind == "" {
				return managed, fmt.Errorf("%w: line %d is of no kind", ErrNotFlattened, line)
			}
			block, start = at, line
		case block != nil && (at[0] == ' ' || at[0] == '\n' || at[0] == '\r'):
			block = block[:len(block)+len(at)] // follows in the text
		case at[0] == '\n' || at[0] == '\r' || at[0] == '#' || bytes.HasPrefix(at, []byte("---")) || bytes.HasPrefix(at, []byte("...")):
		default:
			if err := end(); err != nil {
				return managed, err
			}
			key, value, found := bytes.Cut(at, []byte(":"))
			if !found {
				return managed, fmt.Errorf("%w: line %d", ErrNotFlattened, line)
			}
			kind = string(bytes.Trim(key, "'\" "))
			empty := len(bytes.TrimSpace(value)) == 0 || bytes.Equal(bytes.TrimSpace(value), []byte("[]")) ||
				bytes.Equal(bytes.TrimSpace(value), []byte("{}"))
			if !kindName.MatchString(kind) || kind[0] != '_' && !empty {
				return managed, fmt.Errorf("%w: line %d", ErrNotFlattened, line)
			}
		}
	}
	return managed, end()
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

// reserved reports whether an entity is a part of the proof of serving.
func reserved(kind string, e *yaml.Node) bool {
	if proof.Reserved(kind, field(e, "id"), field(e, "name")) {
		return true
	}
	return kind == "plugins" && field(e, "route") == proof.RouteID
}

// field is the text of a scalar field; empty when there is none, or it is null.
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
