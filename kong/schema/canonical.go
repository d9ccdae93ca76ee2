package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

type object = map[string]any

// maxDepth is the deepest nesting of a schema. Kong's deepest has about 20 levels.
const maxDepth = 64

// parse reads one JSON value and keeps numbers as written.
func parse(text []byte) (any, error) {
	if err := depth(text); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, errors.New("not JSON") // the decoder's message may repeat the text
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// depth checks the nesting before memory is allocated for it.
func depth(text []byte) error {
	level, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if level++; level > maxDepth {
				return errors.New("nested too deeply")
			}
		case c == '}' || c == ']':
			level--
		}
	}
	return nil
}

// unordered names the lists of scalars whose order has no meaning. Kong makes them from tables without order (F44).
var unordered = map[string]bool{
	"one_of": true, "not_one_of": true, "at_least_one_of": true, "only_one_of": true, "mutually_exclusive": true, "mutually_required": true,
	"distinct": true, "then_at_least_one_of": true,
}

// named names the lists of fields. Each element is an object whose one key is the field's name.
var named = map[string]bool{"fields": true, "shorthand_fields": true}

// normalize drops, in place, texts for people and what differs between gateways, and sorts lists without an order.
func normalize(value any) {
	switch value := value.(type) {
	case object:
		if text, ok := value["description"].(string); ok && text != "" {
			delete(value, "description") // a field of that name is an object
		}
		dropSecretDefault(value)
		dropImpliedLength(value)
		for name, item := range value {
			normalize(item)
			list, ok := item.([]any)
			switch {
			case !ok:
			case unordered[name] || name == "default" && value["type"] == "set":
				sortScalars(list)
			case named[name]:
				sortFields(list)
			}
		}
	case []any:
		for _, item := range value {
			normalize(item)
		}
	}
}

// dropSecretDefault drops the default of a field that holds a secret. Kong generates the default of an encrypted field at each start, and
// the mark auto records that. The default of a referenceable field is a value, not a rule of the schema; without it the field is optional.
func dropSecretDefault(field object) {
	encrypted, _ := field["encrypted"].(bool)
	referenceable, _ := field["referenceable"].(bool)
	if field["default"] == nil || !encrypted && !referenceable {
		return
	}
	if _, isField := field["type"].(string); !isField {
		return
	}
	delete(field, "default")
	if encrypted {
		field["auto"] = true
		return
	}
	delete(field, "required")
}

// dropImpliedLength drops len_min: 1 of a string, which is the default. Kong adds it to a schema when it first validates a string by it, so
// its presence depends on what the gateway has loaded.
func dropImpliedLength(field object) {
	if field["type"] == "string" && field["len_min"] == json.Number("1") {
		delete(field, "len_min")
	}
}

// sortFields sorts fields by their names.
func sortFields(list []any) {
	nameOf := func(item any) string {
		field, _ := item.(object)
		for name := range field {
			return name
		}
		return ""
	}
	for _, item := range list {
		if field, ok := item.(object); !ok || len(field) != 1 {
			return
		}
	}
	slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(nameOf(a), nameOf(b)) })
}

func sortScalars(list []any) {
	for _, item := range list {
		switch item.(type) {
		case string, json.Number, bool:
		default:
			return
		}
	}
	type written struct {
		text  string
		value any
	}
	all := make([]written, len(list))
	for i, item := range list {
		all[i] = written{string(appendCanonical(nil, item)), item}
	}
	slices.SortStableFunc(all, func(a, b written) int { return strings.Compare(a.text, b.text) })
	for i := range all {
		list[i] = all[i].value
	}
}

func appendCanonical(out []byte, value any) []byte {
	switch value := value.(type) {
	case object:
		out = append(out, '{')
		for i, name := range slices.Sorted(maps.Keys(value)) {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendText(out, name), ':')
			out = appendCanonical(out, value[name])
		}
		return append(out, '}')
	case []any:
		out = append(out, '[')
		for i, item := range value {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendCanonical(out, item)
		}
		return append(out, ']')
	case json.Number:
		return append(out, value...)
	case string:
		return appendText(out, value)
	case bool:
		if value {
			return append(out, "true"...)
		}
		return append(out, "false"...)
	}
	return append(out, "null"...)
}

func appendText(out []byte, text string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string never fails
	return append(out, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
