package imports

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/silverback-gateway/silverback/kong/inventory"
)

// stamps are fields that Kong sets itself and rewrites at each load (fact F47).
var stamps = []string{"created_at", "updated_at", "_ignore", "_comment"}

// Document creates the document of a source from a configuration in Kong's flattened form, which GET /config returns (fact F8). It keeps
// what traffic depends on: all entities with their ids, also those that Kong generated, and all values, also nulls, because a null is not a
// default. It omits times, the SNIs that Kong repeats within certificates, and Silverback's reserved route. Passwords are hashes in that
// form, and the document marks them (_transform: false). The error is an inventory.ErrNotFlattened and holds no content.
func Document(flattened []byte) ([]byte, error) {
	out := bytes.NewBufferString("_format_version: \"3.0\"\n_transform: false\n")
	last := ""
	seen := map[string]bool{}
	_, err := inventory.Entities(flattened, func(kind string, e *yaml.Node) error {
		if kind != last {
			if seen[kind] {
				return fmt.Errorf("%w: %s twice", inventory.ErrNotFlattened, kind)
			}
			last, seen[kind] = kind, true
			fmt.Fprintf(out, "%s:\n", kind)
		}
		strip(e)
		text, err := yaml.Marshal([]*yaml.Node{e})
		if err != nil {
			return fmt.Errorf("%w: an entity of %s cannot be written", inventory.ErrNotFlattened, kind)
		}
		_, err = out.Write(text)
		return err
	})
	if err != nil {
		return nil, err
	}
	if last == "" {
		return nil, ErrEmpty
	}
	return out.Bytes(), nil
}

// ErrEmpty means that there is nothing to import.
var ErrEmpty = errors.New("the gateway serves no configuration: there is nothing to import")

// strip removes the stamps, puts the most important fields first, and changes flow style to block style.
func strip(e *yaml.Node) {
	var first, rest []*yaml.Node
	for i := 0; i+1 < len(e.Content); i += 2 {
		name, value := e.Content[i], e.Content[i+1]
		if slices.Contains(stamps, name.Value) {
			continue
		}
		block(name, value)
		if slices.Contains([]string{"id", "name", "username"}, strings.ToLower(name.Value)) {
			first = append(first, name, value)
		} else {
			rest = append(rest, name, value)
		}
	}
	e.Style = 0
	e.Content = append(first, rest...)
}

// block lets YAML choose the style of all nodes except quoted strings, which stay strings.
func block(nodes ...*yaml.Node) {
	for _, n := range nodes {
		if n.Kind == yaml.ScalarNode {
			continue
		}
		n.Style = 0
		block(n.Content...)
	}
}
