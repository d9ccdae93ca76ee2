package schema

import "strings"

// A Visibility is what a schema declares about who may see a value.
type Visibility uint8

// The visibilities. Only Public values may be shown.
const (
	// Undescribed means that no schema describes the value.
	Undescribed Visibility = iota
	// Public means that the schema describes the value and does not mark it.
	Public
	// Secret means that the schema marks the value, or an object around it, as encrypted or referenceable.
	Secret
)

// A Place is a value within an entity, as a schema describes it. The zero value is a
// place that no schema describes.
type Place struct {
	field  *field
	record *record
	secret bool
}

// Place returns the place of an entity of a kind, given in the singular. sub is the name of the plugin or the vault, which have schemas of
// their own.
func (b *Bundle) Place(kind, sub string) Place {
	switch kind {
	case "plugin":
		return Place{record: b.plugins[sub]}
	case "vault":
		return Place{record: b.vaults[sub]}
	}
	return Place{record: b.kinds[kind]}
}

// In returns the place of a field of a record, or of a value of a map.
func (p Place) In(name string) Place {
	if p.record != nil {
		if f := p.record.fields[name]; f != nil {
			return at(f, p.secret)
		}
		if s := p.record.short[name]; s != nil {
			next := at(s.field, p.secret)
			if into := p.record.find(s.into); into != nil {
				next.secret = next.secret || into.secret
			}
			return next
		}
		return Place{secret: p.secret}
	}
	if p.field != nil && p.field.typ == typeMap && p.field.values != nil {
		secret := p.secret || p.field.keys != nil && p.field.keys.secret
		return at(p.field.values, secret)
	}
	return Place{secret: p.secret}
}

// Item returns the place of the elements of a list.
func (p Place) Item() Place {
	if p.field != nil && (p.field.typ == typeArray || p.field.typ == typeSet) && p.field.elements != nil {
		return at(p.field.elements, p.secret)
	}
	return Place{secret: p.secret}
}

// Visibility returns the visibility of a scalar at this place. A list, a map or a record where the schema has a scalar is undescribed, and
// so is a scalar where the schema has one of those.
func (p Place) Visibility() Visibility {
	switch {
	case p.secret:
		return Secret
	case p.field == nil:
		return Undescribed
	}
	switch p.field.typ {
	case typeString, typeInteger, typeNumber, typeBoolean:
		return Public
	}
	return Undescribed
}

// Marked reports whether the place as a whole holds a secret, whatever its content.
func (p Place) Marked() bool { return p.secret }

func at(f *field, secret bool) Place {
	return Place{field: f, record: f.rec, secret: secret || f.secret}
}

// find follows a path of record fields.
func (r *record) find(path []string) *field {
	var f *field
	for _, name := range path {
		if r == nil {
			return nil
		}
		if f = r.fields[name]; f == nil {
			return nil
		}
		r = f.rec
	}
	return f
}

// IsReference reports whether a text is a reference to a vault. A reference locates a secret and is not secret itself.
func IsReference(text string) bool {
	return isReference(text) && !strings.ContainsAny(text[1:len(text)-1], "{} \t\r\n")
}

// Opens reports whether the names within a record or a map may be shown: the schema's own names, or keys that it describes and does not
// mark.
func (p Place) Opens() bool {
	if p.secret {
		return false
	}
	if p.record != nil {
		return true
	}
	return p.field != nil && p.field.typ == typeMap && p.field.values != nil && (p.field.keys == nil || !p.field.keys.secret)
}

// Default returns what a gateway takes where no value is given. It is not known of a value that may be secret, and there is none of a value
// that can be left out.
func (p Place) Default() (any, bool) {
	if p.secret || p.field == nil || !p.field.hasDefault {
		return nil, false
	}
	return p.field.def, true
}

// IsRecord reports whether the schema describes the place as a record.
func (p Place) IsRecord() bool { return p.record != nil }
