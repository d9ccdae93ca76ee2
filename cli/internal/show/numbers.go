package show

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// numbers rewrites a message's JSON so that 64-bit integers are numbers. protojson writes them as strings, for readers that keep numbers as
// floats. Counts and revisions are far below 2^53, above which floats are inexact.
func numbers(text json.RawMessage, m protoreflect.MessageDescriptor) (json.RawMessage, error) {
	if m.FullName().Parent() == "google.protobuf" { // times and durations have their own forms
		return text, nil
	}
	return object(text, func(name string, value json.RawMessage) (json.RawMessage, error) {
		field := m.Fields().ByName(protoreflect.Name(name))
		switch {
		case field == nil:
			return nil, fmt.Errorf("%s has no field %q", m.FullName(), name)
		case field.IsMap():
			return object(value, func(_ string, value json.RawMessage) (json.RawMessage, error) { return number(value, field.MapValue()) })
		case field.IsList():
			var items []json.RawMessage
			if err := json.Unmarshal(value, &items); err != nil {
				return nil, err
			}
			for i, item := range items {
				var err error
				if items[i], err = number(item, field); err != nil {
					return nil, err
				}
			}
			return json.Marshal(items)
		}
		return number(value, field)
	})
}

// number rewrites one value of a field.
func number(text json.RawMessage, field protoreflect.FieldDescriptor) (json.RawMessage, error) {
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return numbers(text, field.Message())
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return bytes.Trim(text, `"`), nil
	}
	return text, nil
}

// object rewrites the values of an object and keeps their order.
func object(text json.RawMessage, rewrite func(name string, value json.RawMessage) (json.RawMessage, error)) (json.RawMessage, error) {
	in := json.NewDecoder(bytes.NewReader(text))
	if _, err := in.Token(); err != nil { // {
		return nil, err
	}
	out := []byte{'{'}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := in.Decode(&value); err != nil {
			return nil, err
		}
		if value, err = rewrite(name.(string), value); err != nil {
			return nil, err
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, quoted...), ':'), value...)
	}
	return append(out, '}'), nil
}
