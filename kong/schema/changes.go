package schema

import (
	"maps"
	"slices"
	"strings"
)

// A Meaning is how a field means something else to one Kong than to another, although both take it.
type Meaning uint8

// The meanings.
const (
	// OtherDefault means that the field is not given, and that the Kongs fill in different values.
	OtherDefault Meaning = iota + 1
	// Gone means that the field is not given, and that only the earlier Kong fills in a value: the later one has no such field.
	Gone
	// OtherType means that the field is given, and that the later Kong reads it as another type.
	OtherType
	// Added means that the field is not given, and that only the later Kong has it, and fills in a value.
	Added
	// Deprecated means that the field is given, and that the later Kong says that a coming one will not have it.
	Deprecated
)

// A Change is one field of an entity that means something else.
type Change struct {
	Path    Path
	Meaning Meaning
	Message string // holds values of schemas only, and none of a field that may be secret
}

// Changes returns what an entity means otherwise to a gateway with this bundle than to one with an earlier bundle; of nil only what is
// deprecated is known. Kind and entity are as in Check. The entity should have passed it: what is refused has no meaning.
//
// Only what /schemas shows is compared: fields, types and defaults. What Kong does with a value is not in there.
func (b *Bundle) Changes(earlier *Bundle, kind string, entity map[string]any) []Change {
	was, is := earlier.recordOf(kind, entity), b.recordOf(kind, entity)
	if is == nil {
		return nil
	}
	c := changes{compare: was != nil}
	c.record(was, is, entity, nil)
	slices.SortStableFunc(c.found, func(a, b Change) int { return a.Path.compare(b.Path) })
	return c.found
}

// recordOf returns the schema of an entity, or nil.
func (b *Bundle) recordOf(kind string, entity object) *record {
	if b == nil {
		return nil
	}
	name, _ := entity["name"].(string)
	switch kind {
	case "plugin":
		return b.plugins[name]
	case "vault":
		return b.vaults[name]
	}
	return b.kinds[kind]
}

type changes struct {
	compare bool // with an earlier bundle
	found   []Change
}

func (c *changes) add(at Path, m Meaning, message string) {
	if len(c.found) < maxErrors {
		c.found = append(c.found, Change{Path: slices.Clone(at), Meaning: m, Message: message})
	}
}

// record compares the fields of a record. was is nil where the earlier Kong has no such record.
func (c *changes) record(was, is *record, values object, at Path) {
	for _, f := range is.order {
		here := append(slices.Clone(at), Step{Name: f.name})
		var old *field
		if was != nil {
			old = was.fields[f.name]
		}
		if value := values[f.name]; value != nil {
			c.given(old, f, value, here)
		} else if c.compare && !setByShorthand(is, f.name, values) {
			c.absent(old, f, was != nil, here)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is.short)) {
		if s := is.short[name]; values[name] != nil && s.field.deprecated != "" {
			c.add(append(slices.Clone(at), Step{Name: name}), Deprecated, s.field.deprecated)
		}
	}
	if !c.compare || was == nil {
		return
	}
	for _, old := range was.order {
		if is.fields[old.name] == nil && is.short[old.name] == nil && values[old.name] == nil && old.hasDefault {
			c.add(append(slices.Clone(at), Step{Name: old.name}), Gone, "the field is gone, and its default "+defaultOf(old)+" with it")
		}
	}
}

// setByShorthand reports whether a shorthand of the record gives the field, or a part of it, a value.
func setByShorthand(r *record, name string, values object) bool {
	return slices.ContainsFunc(r.aliases, func(s *shorthand) bool { return s.into[0] == name && values[s.field.name] != nil })
}

func (c *changes) given(old, f *field, value any, at Path) {
	if f.deprecated != "" {
		c.add(at, Deprecated, f.deprecated)
	}
	if old != nil && old.typ != f.typ {
		c.add(at, OtherType, "was "+typeName(old.typ)+", and is "+typeName(f.typ))
		return
	}
	c.inside(old, f, value, at)
}

// inside compares the records within a value.
func (c *changes) inside(old, f *field, value any, at Path) {
	if old == nil {
		old = &field{}
	}
	switch {
	case f.rec != nil:
		if values, ok := value.(object); ok && (old.rec != nil || !c.compare) {
			c.record(old.rec, f.rec, values, at)
		}
	case f.elements != nil:
		items, _ := value.([]any)
		for i, item := range items {
			c.element(old.elements, f.elements, item, append(slices.Clone(at), Step{Position: i}))
		}
	case f.values != nil:
		values, _ := value.(object)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			c.element(old.values, f.values, values[key], append(slices.Clone(at), Step{Name: key, Key: true}))
		}
	}
}

func (c *changes) element(old, f *field, value any, at Path) {
	if f.rec != nil || f.elements != nil || f.values != nil {
		c.inside(old, f, value, at)
	}
}

// absent compares what two Kongs fill in for a field that is not given. known says whether the earlier one has the record.
func (c *changes) absent(old, f *field, known bool, at Path) {
	switch {
	case !known || f.auto || old != nil && old.auto: // a new id, or a time
	case old == nil && f.hasDefault && !f.isEmptyRecord():
		c.add(at, Added, "new, with the default "+defaultOf(f))
	case old == nil:
	case f.rec != nil && old.rec != nil && f.filled() && old.filled(): // Kong fills in the fields of the record
		c.record(old.rec, f.rec, nil, at)
	case old.hasDefault != f.hasDefault || old.hasDefault && !sameDefault(old.def, f.def):
		c.add(at, OtherDefault, "the default was "+defaultOf(old)+", and is "+defaultOf(f))
	}
}

// filled reports whether Kong fills in the record where it is not given, with the defaults of its fields.
func (f *field) filled() bool { return f.required && !f.hasDefault || f.isEmptyRecord() }

func (f *field) isEmptyRecord() bool {
	values, ok := f.def.(object)
	return f.rec != nil && f.hasDefault && (ok && len(values) == 0 || emptyTable(f.def))
}

func sameDefault(a, b any) bool {
	return string(appendCanonical(nil, a)) == string(appendCanonical(nil, b))
}

// longestDefault is the longest default that is shown, in bytes.
const longestDefault = 40

func defaultOf(f *field) string {
	switch {
	case !f.hasDefault:
		return "none"
	case f.secret:
		return "hidden"
	}
	text := literal(f.def)
	switch f.def.(type) {
	case string:
		text = `"` + text + `"`
	case object, []any:
		text = string(appendCanonical(nil, f.def))
	}
	if len(text) > longestDefault {
		return strings.ToValidUTF8(text[:longestDefault], "") + "…"
	}
	return text
}

// typeName returns the name of a type in a schema.
func typeName(k kindOf) string {
	if k == typeAny {
		return "any"
	}
	return strings.TrimPrefix(strings.TrimPrefix(expected[k], "expected an "), "expected a ")
}

// deprecation returns what a schema says of a field that will go, or nothing.
func deprecation(spec object) string {
	said, _ := spec["deprecation"].(object)
	if said == nil {
		return ""
	}
	text := "deprecated"
	if into := replacement(spec); len(into) > 0 {
		text += ": use " + strings.Join(into, ".")
	} else if message, _ := said["message"].(string); message != "" {
		text += ": " + message
	}
	if gone, _ := said["removal_in_version"].(string); gone != "" {
		text += "; gone in " + gone
	}
	return text
}
