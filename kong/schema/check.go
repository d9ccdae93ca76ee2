package schema

import (
	"context"
	"math"
	"slices"
	"strings"
)

// perByte is the cost of a byte that is parsed: as a key, an address or, at worst, a regular expression.
const perByte = 8

// maxErrors is how many errors of one entity are reported.
const maxErrors = 100

// Check returns what the gateway would refuse in an entity. None means that this package knows of no reason. Errors are ordered by path,
// entity-level errors first. A route takes some microseconds. The error is ErrBudget when the budget does not suffice, or the cause of ctx;
// the end of ctx ends the check within milliseconds. With an error there is no verdict.
//
// Kind is singular, as in Kong's flattened errors: "route", "plugin", "keyauth_credential". A plugin's or vault's configuration is checked
// by the schema of its name. A name that the bundle lacks is an error, and so is an optional kind that it lacks, see Optional. Other kinds
// that the bundle does not know give no errors, see Knows.
//
// The entity is one object of a declarative configuration, without entities nested in it (a service's routes, a certificate's snis). Check
// neither changes nor keeps it. Values are nil, bool, string, float64, int, int64, json.Number, []any and map[string]any; others have the
// wrong type. A null field counts as absent, except where it is required. A reference is a string (a name or an id) or a map with the id
// (F13). The reference of a nested entity to its parent must be present; its value does not matter. Fields that Kong takes without a
// schema, _comment and _ignore (F19), are ignored. The url of a service is read as Kong reads it.
//
// A plugin cannot have a scope that its schema excludes. Gateways check that for plugins that name their scope, as in a snapshot, and not
// for nested ones (F21). For their verdict on a nested plugin, leave out its parent.
func (b *Bundle) Check(ctx context.Context, budget *Budget, kind string, entity map[string]any) ([]FieldError, error) {
	return b.check(ctx, budget, kind, entity, false)
}

// CheckStrict is Check plus what only POST /schemas/{kind}/validate refuses (F23): references that are not given by id.
func (b *Bundle) CheckStrict(ctx context.Context, budget *Budget, kind string, entity map[string]any) ([]FieldError, error) {
	return b.check(ctx, budget, kind, entity, true)
}

func (b *Bundle) check(ctx context.Context, budget *Budget, kind string, entity object, strict bool) ([]FieldError, error) {
	r := b.kinds[kind]
	if r == nil {
		if Optional(kind) {
			return []FieldError{{Rule: Unsupported, Message: UnknownKind, Whole: true}}, nil
		}
		return nil, nil
	}
	c := checker{strict: strict, allowance: &allowance{ctx: ctx, budget: budget}}
	c.path = c.steps[:0]
	name, _ := entity["name"].(string)
	switch {
	case kind == "service":
		entity = expandURL(entity)
	case name == "":
	case kind == "plugin":
		if sub := b.plugins[name]; sub != nil {
			r = sub
		} else {
			c.at("name", Unsupported, "the gateway does not have this plugin enabled")
		}
	case kind == "vault":
		if sub := b.vaults[name]; sub != nil {
			r = sub
		} else {
			c.at("name", Unsupported, "the gateway does not have this kind of vault")
		}
	}
	c.record(r, entity)
	if err := c.allowance.close(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(c.errs, func(a, b FieldError) int { return a.Path.compare(b.Path) })
	return c.errs, nil
}

// spend takes steps of the budget. False ends the check.
func (c *checker) spend(steps int) bool { return c.allowance.spend(steps) }

// checker collects errors. path is the present place; errors hold copies of it.
type checker struct {
	errs      []FieldError
	path      Path
	steps     [8]Step
	strict    bool
	allowance *allowance
	second    *checker // for conditions, whose errors are not the entity's
}

// try checks a value by itself. Its result is valid until the next try.
func (c *checker) try(f *field, v any) []FieldError {
	if c.second == nil {
		c.second = &checker{strict: c.strict, allowance: c.allowance}
	}
	c.second.errs, c.second.path = c.second.errs[:0], c.second.steps[:0]
	c.second.value(f, v)
	return c.second.errs
}

func (c *checker) add(rule Rule, message string) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, FieldError{Path: slices.Clone(c.path), Rule: rule, Message: message, Fatal: strings.HasPrefix(message, failsOn)})
	}
}

// entity adds an error about the record at the present place.
func (c *checker) entity(rule Rule, message string) {
	if n := len(c.errs); n < maxErrors {
		c.add(rule, message)
		c.errs[n].Whole = true
	}
}

// at adds an error about a field of the record at the present place, unless that field has an error already. Kong reports one error a
// field.
func (c *checker) at(name string, rule Rule, message string) {
	c.atPath([]string{name}, rule, message)
}

func (c *checker) atPath(names []string, rule Rule, message string) {
	n := len(c.path)
	for _, name := range names {
		c.path = append(c.path, Step{Name: name})
	}
	if !c.hasError(c.path) {
		c.add(rule, message)
	}
	c.path = c.path[:n]
}

// hasError reports whether there is an error at a path or below it.
func (c *checker) hasError(path Path) bool {
	c.spend(len(c.errs))
	return slices.ContainsFunc(c.errs, func(e FieldError) bool { return e.Path.under(path) })
}

// invalid reports whether a field of the record at the present place has an error.
func (c *checker) invalid(names []string) bool {
	if len(c.errs) == 0 {
		return false
	}
	n := len(c.path)
	for _, name := range names {
		c.path = append(c.path, Step{Name: name})
	}
	is := c.hasError(c.path)
	c.path = c.path[:n]
	return is
}

func (c *checker) into(s Step, f *field, value any) {
	c.path = append(c.path, s)
	c.value(f, value)
	c.path = c.path[:len(c.path)-1]
}

func (c *checker) record(r *record, values object) {
	if !c.spend(r.cost) {
		return
	}
	for name, value := range values {
		if !c.spend(1 + len(name)/32) {
			return
		}
		c.given(r, name, value)
	}
	for _, f := range r.order {
		if value, given := values[f.name]; value != nil || given && f.required && !f.auto {
			continue
		}
		if c.allowance.err != nil {
			return
		}
		c.absent(r, f, values)
	}
	for _, check := range r.checks {
		if !c.spend(1) {
			return
		}
		check(c, r, values)
	}
}

// given checks a field that the record has, even if it is null.
func (c *checker) given(r *record, name string, value any) {
	if r.entity && name == "updated_at" { // gateways write it themselves
		return
	}
	f, s := r.fields[name], r.short[name]
	if s != nil && value != nil {
		if !c.shorthand(name, s, value) {
			return
		}
		c.replacement(r, s, value)
	}
	switch {
	case f != nil && value != nil:
		c.into(Step{Name: name}, f, value)
	case f != nil && f.required && !f.auto:
		c.at(name, MissingField, "required field missing: leave it out, or give it a value; it cannot be null")
	case f != nil || s != nil:
	case r.entity && (name == "_comment" || name == "_ignore"):
	default:
		c.at(name, UnknownField, "unknown field")
	}
}

// absent checks a field that the record does not have.
func (c *checker) absent(r *record, f *field, values object) {
	switch {
	case f.notNull:
		c.at(f.name, MissingField, "value must not be null")
	case f.hasDefault || f.auto || !f.required:
	case c.hasShorthand(r, f.name, values):
	case f.rec != nil:
		c.path = append(c.path, Step{Name: f.name})
		c.record(f.rec, nil)
		c.path = c.path[:len(c.path)-1]
	default:
		c.at(f.name, MissingField, "required field missing")
	}
}

// shorthand checks the value of a shorthand, before the field that it stands for. Gateways fail on a shorthand of a wrong type.
func (c *checker) shorthand(name string, s *shorthand, value any) bool {
	before := len(c.errs)
	c.into(Step{Name: name}, s.field, value)
	for i := before; i < len(c.errs); i++ {
		c.errs[i].Fatal = true
	}
	return len(c.errs) == before
}

// replacement checks the value of a shorthand by the field that it stands for.
func (c *checker) replacement(r *record, s *shorthand, value any) {
	target := r.at(s.into)
	if target == nil || value == "off" && s.field.name == "cookie_samesite" { // an older word for Lax
		return
	}
	n := len(c.path)
	for _, name := range s.into {
		c.path = append(c.path, Step{Name: name})
	}
	c.value(target, value)
	c.path = c.path[:n]
}

// at returns the field of a record by its path, or nil.
func (r *record) at(path []string) *field {
	for i, name := range path {
		f := r.fields[name]
		if f == nil || i == len(path)-1 {
			return f
		}
		if r = f.rec; r == nil {
			return nil
		}
	}
	return nil
}

// hasShorthand reports whether a shorthand stands for a field or for a part of it.
func (c *checker) hasShorthand(r *record, name string, values object) bool {
	c.spend(len(r.aliases))
	return slices.ContainsFunc(r.aliases, func(s *shorthand) bool { return s.into[0] == name && values[s.field.name] != nil })
}

func (c *checker) value(f *field, v any) {
	if !c.spend(1) {
		return
	}
	if v == nil {
		switch {
		case f.notNull:
			c.add(MissingField, "value must not be null")
		case f.required:
			c.add(MissingField, "required field missing")
		}
		return
	}
	if f.isNull {
		message := "value must be null"
		if f.scope {
			message += ": the plugin cannot have this scope"
		}
		c.add(BadValue, message)
		return
	}
	if f.referenceable && isReference(v) {
		return
	}
	switch f.typ {
	case typeForeign:
		c.foreign(v)
		return
	case typeRecord:
		values, ok := table(v)
		if !ok {
			c.add(WrongType, expected[typeRecord])
			return
		}
		if f.rec != nil {
			c.record(f.rec, values)
		}
	case typeMap:
		values, ok := table(v)
		if !ok {
			c.add(WrongType, expected[typeMap])
			return
		}
		c.each(f, values)
	case typeArray, typeSet:
		items, ok := list(v)
		if !ok {
			c.add(WrongType, expected[f.typ])
			return
		}
		v = items
		c.elements(f, items)
	default:
		if !isType(f.typ, v) {
			c.add(WrongType, expected[f.typ])
			return
		}
	}
	c.rules(f, v)
}

func (c *checker) rules(f *field, v any) {
	for i := range f.rules {
		r := &f.rules[i]
		if !c.spend(1) {
			return
		}
		switch {
		case r.custom != nil:
			if text, ok := v.(string); ok {
				if !c.spend(perByte * len(text)) {
					return
				}
				if message := r.custom(text); message != "" {
					c.add(r.rule, message)
					return
				}
			}
		case r.broken(c, v):
			c.add(r.rule, r.message)
			return
		}
	}
}

func (c *checker) elements(f *field, items []any) {
	for i, item := range items {
		if f.elements == nil || !c.spend(1) {
			return
		}
		c.into(Step{Position: i}, f.elements, item)
	}
}

// each checks a map. Errors in a key are reported for the map, as Kong does.
func (c *checker) each(f *field, values object) {
	for name, value := range values {
		if !c.spend(1 + len(name)/32) {
			return
		}
		c.path = append(c.path, Step{Name: name, Key: true})
		if f.keys != nil {
			c.value(f.keys, name)
		}
		if f.values != nil && !c.hasError(c.path) {
			c.value(f.values, value)
		}
		c.path = c.path[:len(c.path)-1]
	}
}

// foreign checks the form of a reference.
func (c *checker) foreign(v any) {
	switch ref := v.(type) {
	case string:
		if c.strict {
			c.add(WrongType, "expected a reference by id")
		}
	case object:
		id, ok := ref["id"].(string)
		c.path = append(c.path, Step{Name: "id"})
		switch {
		case !ok:
			c.add(MissingField, "missing primary key")
		case !IsUUID(id):
			c.add(BadValue, "expected a valid UUID")
		}
		c.path = c.path[:len(c.path)-1]
	default:
		c.add(WrongType, "expected a reference")
	}
}

// table returns a Lua table with names. An empty list is one as well.
func table(v any) (object, bool) {
	switch v := v.(type) {
	case object:
		return v, true
	case []any:
		return nil, len(v) == 0
	}
	return nil, false
}

// list returns a Lua table without names. An empty map is one as well.
func list(v any) ([]any, bool) {
	if values, is := v.(object); is && len(values) == 0 {
		return []any{}, true
	}
	items, ok := v.([]any)
	return items, ok
}

func isType(t kindOf, v any) bool {
	switch t {
	case typeString:
		_, ok := v.(string)
		return ok
	case typeBoolean:
		_, ok := v.(bool)
		return ok
	case typeNumber:
		_, ok := number(v)
		return ok
	case typeInteger:
		n, ok := number(v)
		return ok && n == math.Trunc(n) && !math.IsInf(n, 0)
	}
	return true
}

// isReference reports whether a value is a reference to a vault. Only the gateway knows what it stands for.
func isReference(v any) bool {
	s, ok := v.(string)
	return ok && strings.HasPrefix(s, "{vault://") && strings.HasSuffix(s, "}") && len(s) > len("{vault://}")
}
