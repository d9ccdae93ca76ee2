// Package document reads what is posted to a gateway: JSON, or the first document of a YAML stream, into plain values. It knows nothing
// of Kong's entities.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds on hostile input. Only the first is Kong's: its JSON parser has it.
const (
	maxDepth = 1000
	maxNodes = 4_000_000
)

// ErrCrash is input on which Kong's own code fails. The answer is a 500 that no retry changes.
var ErrCrash = errors.New("an unexpected error occurred")

// Parse reads a posted text as Kong does: as JSON first, then as the first document of a YAML stream. The message of a parse error
// appears in the answer.
func Parse(text []byte) (map[string]any, error) {
	if value, err := ParseJSON(text); err == nil || errors.Is(err, ErrCrash) {
		return topLevel(value, err)
	}
	value, err := parseYAML(text)
	return topLevel(value, err)
}

func topLevel(value any, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case map[string]any:
		return value, nil
	case []any:
		return nil, ErrCrash
	}
	return nil, errors.New("expected an object")
}

// ParseJSON reads one JSON value. Numbers are float64.
func ParseJSON(text []byte) (any, error) {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) { // a number beyond float64, which Lua reads as infinity
			return nil, ErrCrash
		}
		return nil, err
	}
	if !shallow(value, maxDepth) {
		return nil, errors.New("nested too deep")
	}
	return value, nil
}

func shallow(value any, left int) bool {
	if left < 0 {
		return false
	}
	switch value := value.(type) {
	case map[string]any:
		for _, v := range value {
			if !shallow(v, left-1) {
				return false
			}
		}
	case []any:
		for _, v := range value {
			if !shallow(v, left-1) {
				return false
			}
		}
	}
	return true
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func parseYAML(text []byte) (any, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, errors.New("0:0: invalid leading UTF-8 octet")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		where := yamlLine.FindStringSubmatch(err.Error())
		line := "0"
		if len(where) == 2 && where[1] != "" {
			line = where[1]
		}
		return nil, fmt.Errorf("%s:0: %s", line, yamlLine.ReplaceAllString(err.Error(), ""))
	}
	c := yamlReader{left: maxNodes}
	return c.value(&root, 0)
}

// yamlReader turns nodes into plain values by the rules of YAML 1.1, which Kong's parser follows: yes and on are booleans, and the last
// of two equal keys wins.
type yamlReader struct{ left int }

func (c *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if c.left--; c.left < 0 || depth > maxDepth {
		return nil, errors.New("0:0: the document is too large or nested too deep")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return c.value(n.Content[0], depth)
	case yaml.AliasNode:
		return c.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := c.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.ScalarNode:
		return scalar(n), nil
	}
	return nil, nil
}

func (c *yamlReader) mapping(n *yaml.Node, depth int) (any, error) {
	m := make(map[string]any, len(n.Content)/2)
	merged := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		v, err := c.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if n.Content[i].Tag == "!!merge" {
			merge(merged, v)
			continue
		}
		m[n.Content[i].Value] = v
	}
	merge(m, merged)
	return m, nil
}

// merge adds the members of a map, or of each map in a list, that are not in m yet.
func merge(m map[string]any, from any) {
	switch from := from.(type) {
	case []any:
		for _, one := range from {
			if _, isMap := one.(map[string]any); isMap {
				merge(m, one)
			}
		}
	case map[string]any:
		for k, v := range from {
			if _, has := m[k]; !has {
				m[k] = v
			}
		}
	}
}

func scalar(n *yaml.Node) any {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!int":
		if i, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, 64); err == nil {
			return float64(i)
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case "!!bool", "!!str":
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on":
			return true
		case "false", "no", "off":
			return false
		}
	}
	return n.Value
}

// Marshal writes a value as Kong's JSON encoder does, without escaping HTML. The value holds plain maps, lists and scalars only.
func Marshal(value any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		panic(err) // see the contract
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
