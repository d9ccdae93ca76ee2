// Package entity is the table of the kinds of objects that a Kong configuration may hold: their fields, references, unique fields, and the
// deterministic ids that Kong gives them. It follows Kong 3.9 and, for kinds that the open-source edition lacks, the form that files use.
// The rules for values come from kong/schema. It does not parse files.
package entity

import (
	"slices"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// Type is the type of a field.
type Type uint8

// The types of fields.
const (
	String Type = iota + 1
	Integer
	Number
	Boolean
	Ref    // a reference to an entity of the kind Field.Ref
	List   // of Elem
	Record // of Fields
	Map    // from strings to Elem
	Object // a map whose content is checked elsewhere, such as a plugin's config
	Any    // any JSON value
	Refs   // a list of maps that each refer to an entity of the kind Field.Ref
)

// String returns the type as errors name it.
func (t Type) String() string {
	return [...]string{"", "a string", "an integer", "a number", "a boolean", "a reference", "a list", "a map", "a map", "a map", "a value",
		"a list"}[t]
}

// Field is one field of a kind or of a record.
type Field struct {
	Name         string
	Type         Type
	Elem         *Field
	Fields       []Field // of a record, sorted by name
	Ref          string
	Required     bool
	Unique       bool
	Secret       bool     // its value never appears in a message
	Default      bool     // Kong has a default, so an explicit null has a meaning
	NullIsAbsent bool     // an explicit null means the same as no value, also within a record, where most fields have defaults
	Extra        bool     // not in the open-source edition under the default router flavor
	OneOf        []string // the values that Kong takes, numbers as text; nil is any
	Ranged       bool
	Min, Max     int64
	Check        func(string) string // returns what is wrong with a string; empty when nothing is
	KeyCheck     func(string) string // returns what is wrong with a key of a map
	Form         func(string) string // returns the canonical spelling of a string that has several
	Warn         func(string) string // returns why a string that gateways take is probably a mistake; empty when it is not
}

// Child is a key under which entities may be nested in another.
type Child struct {
	Key  string // in the parent
	Kind string
	Ref  string // the child's field that refers to the parent
}

// IDRule is how Kong derives the id of an entity that has none.
type IDRule uint8

// The rules. All but Invented give a UUIDv5 in the namespace of the kind.
const (
	// Invented means that Kong would give a random id. The compiler derives one from the content.
	Invented IDRule = iota
	// ByName derives the id from the value of IDFields[0].
	ByName
	// ByCacheKey derives the id from the kind, a star for the workspace and the values of IDFields, joined by colons. References are ids.
	ByCacheKey
)

// Kind is one kind of entity.
type Kind struct {
	Name       string // Kong's plural, such as "routes"
	Singular   string
	Fields     []Field // sorted by name, without id
	Children   []Child
	NameField  string // people's name for it; empty when it has none, or it is a secret
	IDRule     IDRule
	IDFields   []string
	Scope      []string // fields that together are unique, references as ids
	OneOf      []string // at least one of these must be given
	Invents    []string // fields that Kong would fill with a random secret
	Enterprise bool     // not in the open-source edition
	index      map[string]int
}

// Field returns the field of that name, or nil.
func (k *Kind) Field(name string) *Field {
	if i, ok := k.index[name]; ok {
		return &k.Fields[i]
	}
	return nil
}

// Child returns the kind that may be nested under a key, or nil.
func (k *Kind) Child(key string) *Child {
	for i := range k.Children {
		if k.Children[i].Key == key {
			return &k.Children[i]
		}
	}
	return nil
}

// Table holds the kinds. It is immutable and safe for concurrent use.
type Table struct {
	kinds  []*Kind // in the order in which ids are given: referred before referring
	byName map[string]*Kind
	rank   map[string]int
}

// Kinds returns all kinds. A kind comes after the kinds to which it refers.
func (t *Table) Kinds() []*Kind { return t.kinds }

// Kind returns the kind with a plural name, or nil.
func (t *Table) Kind(name string) *Kind { return t.byName[name] }

// Rank returns the position of a kind in Kinds.
func (t *Table) Rank(name string) int { return t.rank[name] }

// NewTable makes the table.
func NewTable() *Table {
	t := &Table{byName: map[string]*Kind{}, rank: map[string]int{}}
	for _, kinds := range [][]Kind{coreKinds(), credentialKinds(), enterpriseKinds()} {
		for i := range kinds {
			t.add(&kinds[i])
		}
	}
	slices.SortStableFunc(t.kinds, func(a, b *Kind) int { return depth(a) - depth(b) })
	for i, k := range t.kinds {
		t.rank[k.Name] = i
	}
	return t
}

// depth returns the rank of a kind in the order of references: 0 for kinds that refer to nothing.
func depth(k *Kind) int {
	d := 0
	for _, f := range k.Fields {
		switch f.Ref {
		case "":
		case "services", "upstreams":
			d = max(d, 2)
		case "routes":
			d = max(d, 3)
		case "plugins":
			d = max(d, 4)
		default:
			d = max(d, 1)
		}
	}
	return d
}

func (t *Table) add(k *Kind) {
	for _, f := range []Field{
		{Name: "created_at", Type: Number},
		{Name: "updated_at", Type: Any}, // gateways write it themselves, and do not check it
		tags(),
	} {
		if !slices.ContainsFunc(k.Fields, func(have Field) bool { return have.Name == f.Name }) {
			k.Fields = append(k.Fields, f)
		}
	}
	sortFields(k.Fields)
	addRules(k.Name, k.Fields, "")
	k.index = make(map[string]int, len(k.Fields))
	for i, f := range k.Fields {
		k.index[f.Name] = i
	}
	t.kinds = append(t.kinds, k)
	t.byName[k.Name] = k
}

// addRules gives fields the rules that kong/schema has for their texts and numbers.
func addRules(kind string, fields []Field, prefix string) {
	for i := range fields {
		addRule(kind, &fields[i], prefix+fields[i].Name)
	}
}

func addRule(kind string, f *Field, path string) {
	switch f.Type {
	case String:
		if f.OneOf = schema.OneOf(kind, path); f.OneOf == nil {
			f.Check = schema.ValueRule(kind, path)
		}
	case Integer, Number:
		f.OneOf = schema.OneOf(kind, path)
		f.Min, f.Max, f.Ranged = schema.Range(kind, path)
	case List:
		addRule(kind, f.Elem, path+"[]")
	case Map:
		f.KeyCheck = schema.ValueRule(kind, path+"<k>")
		addRule(kind, f.Elem, path+"<v>")
	case Record:
		addRules(kind, f.Fields, path+".")
	}
}

func sortFields(fields []Field) {
	slices.SortFunc(fields, func(a, b Field) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for i := range fields {
		sortFields(fields[i].Fields)
	}
}
