package compile

import (
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// Draft is Merge for refused fragments from Read. It always returns a result, so that one answer also holds what validators refuse; the
// result is not a configuration. It does not repeat consequences of a problem of Read, such as a reference to an unread entity.
func (c *Compiler) Draft(fragments map[SourceID]*Fragment) (*Result, []Problem) {
	m := c.merger(fragments)
	result := m.emit()
	return result, m.problems
}

// Ordered sorts problems by place, removes duplicates and cuts the list.
func Ordered(problems []Problem) []Problem { return finish(problems) }

// everything means all kinds, in the set of unread kinds.
const everything = ""

// miss notes that entities of a kind may exist unread. References to them are not reported.
func (p *parser) miss(kind string) {
	if p.fragment.unread == nil {
		p.fragment.unread = map[string]bool{}
	}
	p.fragment.unread[kind] = true
}

// flaw notes the problems of one entity, which are those after before, and what they may hide.
func (p *parser) flaw(it *item, index, before int, keys []document.Key) {
	if len(p.problems) == before {
		return
	}
	kind, flaws := it.kind, slices.Clone(p.problems[before:])
	if p.fragment.flaws == nil {
		p.fragment.flaws = map[int][]Problem{}
	}
	p.fragment.flaws[index] = flaws
	for _, k := range keys {
		if kind.Field(k.Name) != nil || kind.Child(k.Name) != nil {
			continue
		}
		near := nearest(k.Name, fieldNames(kind))
		if child := kind.Child(near); child != nil {
			p.miss(child.Kind)
		}
		if near == kind.NameField && k.Value.Text != "" { // references by this name are meant
			it.unique = append(it.unique, uniqueValue{near, k.Value.Text})
		}
	}
	if slices.ContainsFunc(flaws, func(f Problem) bool { return f.Class == MissingField && f.Field == kind.NameField }) {
		p.miss(kind.Name)
	}
}

// implied lists the fields that a shorthand sets, and the fields that depend on them.
var implied = map[string][]string{
	"url":     {"protocol", "host", "port", "path", "client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates"},
	"_config": {"config"},
}

// root returns the first step of a path.
func root(field string) string {
	if i := strings.IndexAny(field, ".["); i >= 0 {
		return field[:i]
	}
	return field
}

// flawed returns the fields that have problems, by the first step of their paths.
func flawed(flaws []Problem) map[string]bool {
	if len(flaws) == 0 {
		return nil
	}
	fields := map[string]bool{}
	for _, f := range flaws {
		fields[root(f.Field)] = true
		for _, name := range implied[f.Field] {
			fields[name] = true
		}
	}
	return fields
}

// vague reports whether problems leave it open which entity this is.
func vague(kind *entity.Kind, flaws []Problem) bool {
	if len(flaws) == 0 {
		return false
	}
	fields := flawed(flaws)
	open := func(name string) bool { return fields[name] }
	return fields["id"] || slices.ContainsFunc(kind.IDFields, open) || slices.ContainsFunc(kind.Scope, open) ||
		slices.ContainsFunc(kind.Fields, func(f entity.Field) bool { return f.Unique && fields[f.Name] })
}

// follows reports whether the refusal of a gateway repeats a flaw or is its consequence.
func follows(e schema.FieldError, flaws []Problem) bool {
	field := fieldOf(e.Path)
	for _, f := range flaws {
		switch {
		case f.Field == "":
			if field == "" {
				return true
			}
		case field == "":
			if mentions(e.Message, f) {
				return true
			}
		case within(f.Field, field) || within(field, f.Field) || slices.Contains(implied[f.Field], root(field)):
			return true
		case f.Class == UnknownField && (e.Rule == schema.MissingField || e.Whole) && meant(f.Field, field):
			return true
		}
	}
	return false
}

// mentions reports whether a message about a whole entity names the field of a flaw, or the field that was meant.
func mentions(message string, f Problem) bool {
	if strings.Contains(message, root(f.Field)+"[") {
		return true
	}
	var names []string
	for i, part := range strings.Split(message, "'") {
		if i%2 == 1 {
			names = append(names, part)
		}
	}
	return slices.Contains(names, root(f.Field)) || f.Class == UnknownField && nearest(f.Field, names) != ""
}

// within reports whether a path is equal to another or below it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// meant reports whether an unknown field is probably a mistyped sibling of another path.
func meant(unknown, field string) bool {
	parent := unknown[:1+strings.LastIndexByte(unknown, '.')]
	rest, ok := strings.CutPrefix(field, parent)
	if !ok {
		return false
	}
	step, word := root(rest), unknown[len(parent):]
	return nearest(word, []string{step}) != "" || parent == "" && step == "host" && nearest(word, []string{"url"}) != ""
}

// mistyped reports whether a missing field is present under a similar name.
func mistyped(kind *entity.Kind, keys []document.Key, field string) bool {
	return slices.ContainsFunc(keys, func(k document.Key) bool {
		if kind.Field(k.Name) != nil || kind.Child(k.Name) != nil {
			return false
		}
		near := nearest(k.Name, fieldNames(kind))
		return near == field || slices.Contains(implied[near], field)
	})
}
