// Package show prints the services' answers: tables for people, JSON and YAML for programs, and progress. It calls no service.
package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/clean"
)

// A Format is a value of -o.
type Format string

// The formats of -o.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Wide is the value of -o for a table with all columns.
const Wide = "wide"

// Formats lists the values of -o, for help and completion.
var Formats = []string{string(Table), Wide, string(JSON), string(YAML)}

// Set parses the value of -o.
func (f *Format) Set(value string) error {
	switch Format(value) {
	case Table, JSON, YAML:
		*f = Format(value)
		return nil
	}
	return fmt.Errorf("choose one of %s", strings.Join(Formats, ", "))
}

// String returns the format's name.
func (f *Format) String() string { return string(*f) }

// Type names the flag's value in help.
func (f *Format) Type() string { return "format" }

// Message prints a message as JSON or YAML with the field names of the proto files. Numbers are numbers. Zero, empty and false values are
// included. Only unset messages and the unset fields of a choice are left out.
func Message(w io.Writer, f Format, m proto.Message) error {
	text, err := Raw(m)
	if err != nil {
		return err
	}
	return write(w, f, text)
}

// Raw encodes a message as a part of a larger document. A nil message is null.
func Raw(m proto.Message) (json.RawMessage, error) {
	if !m.ProtoReflect().IsValid() {
		return json.RawMessage("null"), nil
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err == nil {
		text, err = numbers(text, m.ProtoReflect().Descriptor())
	}
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return text, nil
}

// One prints one message of several: a document of its own in YAML, and a line in JSON.
func One(w io.Writer, f Format, m proto.Message) error {
	text, err := Raw(m)
	if err != nil {
		return err
	}
	if f == YAML { // otherwise the keys of all messages would form one map
		if _, err := io.WriteString(w, "---\n"); err != nil {
			return err
		}
		return write(w, f, text)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	line.WriteByte('\n')
	_, err = w.Write(clean.JSON(line.Bytes()))
	return err
}

// Value prints a value of the command itself, encoded by encoding/json.
func Value(w io.Writer, f Format, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return write(w, f, text)
}

func write(w io.Writer, f Format, text []byte) error {
	// protojson varies its white space on purpose; the output must not.
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if f == YAML {
		return writeYAML(w, b.Bytes())
	}
	b.WriteByte('\n')
	_, err := w.Write(clean.JSON(b.Bytes()))
	return err
}

// writeYAML prints JSON, which is YAML in flow style, in block style with the order kept.
func writeYAML(w io.Writer, text []byte) error {
	var node yaml.Node
	if err := yaml.Unmarshal(clean.JSON(text), &node); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	blockStyle(&node)
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&node), enc.Close()); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	// The encoder writes some characters unescaped that a terminal obeys.
	_, err := io.WriteString(w, clean.Text(b.String(), math.MaxInt))
	return err
}

func blockStyle(node *yaml.Node) {
	if len(node.Content) > 0 {
		node.Style &^= yaml.FlowStyle
	}
	if node.Kind == yaml.ScalarNode && node.Style&yaml.DoubleQuotedStyle != 0 && node.Tag == "!!str" {
		node.Style = 0 // the encoder quotes where it must
	}
	for _, child := range node.Content {
		blockStyle(child)
	}
}
