package controller

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/graft"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// The names of the documents of a submission.
const (
	commonName = "kubernetes.json" // what the objects mean now, as far as it is of no namespace alone
	keptName   = "last-good.json"  // what is kept of an earlier content
	besideName = "common.json"     // what the common source holds
)

// documentOf is the name of the document of a share.
func documentOf(share string) string {
	if share == common {
		return commonName
	}
	return "kubernetes/" + share + ".json"
}

// named is an entity by the plural of its kind and a name or an id of it.
type named struct{ kind, name string }

// document is the text of a configuration, an entity of the top level to a line, so that a line leads back to an entity.
type document struct {
	name    string
	text    []byte
	lines   map[int]named // from 1
	origins map[named][]object.Ref
}

func newDocument(name string, config declarative.Config, origins []translate.Origin) (document, error) {
	whole, err := json.Marshal(config)
	if err != nil {
		return document{}, fmt.Errorf("write the configuration: %w", err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(whole, &parts); err != nil {
		return document{}, fmt.Errorf("write the configuration: %w", err)
	}
	d := document{name: name, lines: map[int]named{}, origins: map[named][]object.Ref{}}
	for _, o := range origins {
		for _, name := range []string{o.ID, o.Name} {
			if key := (named{o.Kind, name}); name != "" && (o.Kind != "plugins" || name == o.ID) {
				d.origins[key] = append(d.origins[key], o.Objects...)
			}
		}
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "{%q:%s", "_format_version", parts["_format_version"])
	delete(parts, "_format_version")
	line := 1
	for _, kind := range slices.Sorted(maps.Keys(parts)) {
		var entities []json.RawMessage
		if err := json.Unmarshal(parts[kind], &entities); err != nil {
			return document{}, fmt.Errorf("write the %s: %w", kind, err)
		}
		fmt.Fprintf(&out, ",%q:[", kind)
		for i, entity := range entities {
			if i > 0 {
				out.WriteByte(',')
			}
			out.WriteByte('\n')
			line++
			out.Write(entity)
			d.lines[line] = nameOf(kind, entity)
		}
		out.WriteByte(']')
	}
	out.WriteString("}\n")
	d.text = out.Bytes()
	return d, nil
}

func nameOf(kind string, entity []byte) named {
	var fields struct {
		ID, Name, Username, Prefix string
	}
	_ = json.Unmarshal(entity, &fields) // what has none of them leads to no object
	return named{kind, cmp.Or(fields.ID, fields.Name, fields.Username, fields.Prefix)}
}

// content is the document as it is submitted.
func (d document) content() content.Document { return content.Document{Name: d.name, Content: d.text} }

// named are the objects of the entity that a problem names, or nil when the document has none of that name.
func (d document) named(p fleet.Problem) []object.Ref {
	kind := p.Kind + "s"
	for _, name := range []string{p.ID, p.Name} {
		if refs := d.origins[named{kind, name}]; name != "" && len(refs) > 0 {
			return refs
		}
	}
	return nil
}

// kept are entities of an earlier content that are submitted beside the document.
type kept struct {
	entities []content.Entity
	text     []byte
}

// at is the entity that a problem of the kept document is about.
func (k kept) at(p fleet.Problem) (content.Key, bool) {
	if p.Document != keptName || k.text == nil {
		return content.Key{}, false
	}
	return graft.At(k.text, p.Line)
}

// sentence is a problem without its place: the place is one in a document that nobody has seen.
func sentence(p fleet.Problem) string {
	p.Document, p.Line, p.Column, p.Other = "", 0, 0, nil
	return strings.TrimSpace(p.String())
}
