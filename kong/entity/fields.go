package entity

// The constructors of fields keep the table readable: a name, a type, and options.

type option func(*Field)

func field(name string, t Type, options ...option) Field {
	f := Field{Name: name, Type: t}
	for _, o := range options {
		o(&f)
	}
	return f
}

func str(name string, options ...option) Field     { return field(name, String, options...) }
func integer(name string, options ...option) Field { return field(name, Integer, options...) }
func number(name string) Field                     { return field(name, Number) }
func boolean(name string, options ...option) Field { return field(name, Boolean, options...) }
func object(name string, options ...option) Field  { return field(name, Object, options...) }

func ref(name, kind string, options ...option) Field {
	f := field(name, Ref, options...)
	f.Ref = kind
	return f
}

func list(name string, elem Field, options ...option) Field {
	f := field(name, List, options...)
	f.Elem = &elem
	return f
}

func record(name string, fields ...Field) Field {
	return Field{Name: name, Type: Record, Fields: fields}
}

func mapOf(name string, elem Field, options ...option) Field {
	f := field(name, Map, options...)
	f.Elem = &elem
	return f
}

func required(f *Field)     { f.Required = true }
func unique(f *Field)       { f.Unique = true }
func secret(f *Field)       { f.Secret = true }
func def(f *Field)          { f.Default = true }
func extra(f *Field)        { f.Extra = true }
func nullIsAbsent(f *Field) { f.NullIsAbsent = true }

func warn(d func(string) string) option { return func(f *Field) { f.Warn = d } }

// pemText is a field for PEM, which has several spellings.
func pemText(name string, options ...option) Field {
	f := str(name, append(options, secret)...)
	f.Form = PEMForm
	return f
}

func tags() Field { return list("tags", str("")) }

func protocols(name string) Field {
	return list(name, str(""), def)
}
