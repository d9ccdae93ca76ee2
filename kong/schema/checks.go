package schema

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// fieldRef is a field of a record by its path, which may lead through records.
type fieldRef struct {
	name string
	path []string
}

func refTo(name string) fieldRef { return fieldRef{name: name, path: strings.Split(name, ".")} }

// maxPath is the most steps of a path. No schema nests deeper.
const maxPath = maxDepth

// get returns the value of a field as the gateway would see it, with defaults and shorthands.
func (c *checker) get(r *record, values object, path []string) any {
	if v := c.find(r, values, path); v != nil {
		return v
	}
	c.spend(len(r.aliases))
	for _, s := range r.aliases {
		if slices.Equal(s.into, path) {
			return values[s.field.name]
		}
	}
	return nil
}

func (c *checker) find(r *record, values object, path []string) any {
	if !c.spend(1 + len(path[0])/32) {
		return nil
	}
	f := r.fields[path[0]]
	v := values[path[0]]
	if len(path) == 1 {
		if v == nil && f != nil && f.hasDefault {
			return f.def
		}
		return v
	}
	if f == nil || f.rec == nil {
		inner, _ := v.(object)
		return inner[path[1]] // a record whose fields the schema does not describe
	}
	inner, ok := table(v)
	if !ok && v != nil {
		return nil
	}
	if v == nil {
		if def, is := f.def.(object); is {
			inner = def
		} else if !f.required && !c.hasShorthand(r, f.name, values) {
			return nil
		}
	}
	if found := c.get(f.rec, inner, path[1:]); found != nil {
		c.spend(len(r.aliases))
		for _, s := range r.aliases { // the shorthand's value comes before a default
			if slices.Equal(s.into, path) && values[s.field.name] != nil && inner[path[1]] == nil {
				return values[s.field.name]
			}
		}
		return found
	}
	return nil
}

// empty reports whether at_least_one_of and similar checks count a value as absent.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case object:
		return len(v) == 0
	}
	return false
}

func quoted(refs []fieldRef) string {
	words := make([]string, len(refs))
	for i, ref := range refs {
		words[i] = "'" + ref.name + "'"
	}
	return strings.Join(words, ", ")
}

func refs(value any) ([]fieldRef, error) {
	list, _ := value.([]any)
	if len(list) == 0 {
		return nil, errors.New("names no fields")
	}
	var out []fieldRef
	for _, item := range list {
		name, ok := item.(string)
		if !ok || name == "" {
			return nil, errors.New("names a field by a value that is not a string")
		}
		if strings.Count(name, ".") >= maxPath {
			return nil, errors.New("names a field that is nested too deeply")
		}
		out = append(out, refTo(name))
	}
	return out, nil
}

func (c *checker) filled(r *record, values object, fields []fieldRef) int {
	n := 0
	for _, f := range fields {
		if !empty(c.get(r, values, f.path)) {
			n++
		}
	}
	return n
}

// check compiles one of Kong's named checks of whole records. It skips unknown checks: a newer Kong has more and applies them itself.
func (c compiler) check(name string, arg any, path string) (entityCheck, error) {
	if err := c.take(workItem + weight(arg)); err != nil {
		return nil, err
	}
	switch name {
	case "at_least_one_of":
		return count(arg, counted{MissingField, "at least one of these fields must be non-empty: ", true, func(n, _ int) bool { return n > 0 }})
	case "only_one_of":
		return count(arg, counted{BadValue, "exactly one of these fields must be non-empty: ", true, func(n, _ int) bool { return n == 1 }})
	case "mutually_exclusive":
		return count(arg, counted{BadValue, "only one or none of these fields must be set: ", false, func(n, _ int) bool { return n <= 1 }})
	case "mutually_required":
		return count(arg, counted{MissingField, "all or none of these fields must be set: ", false,
			func(n, of int) bool { return n == 0 || n == of }})
	case "mutually_exclusive_sets":
		return exclusiveSets(arg)
	case "distinct":
		return distinct(arg)
	case "conditional":
		return c.conditional(arg, path)
	case "conditional_at_least_one_of":
		return c.conditionalOneOf(arg, path)
	case "custom_entity_check":
		return c.custom(arg, path)
	}
	return nil, nil
}

// counted is a check of how many of some fields are non-empty.
type counted struct {
	rule    Rule
	message string
	invalid bool // also when one of the fields has an error
	fine    func(n, of int) bool
}

// fromVault reports whether one of some fields refers to a vault. Only the gateway knows such a value, so checks that need it do not run.
func (c *checker) fromVault(r *record, values object, fields ...fieldRef) bool {
	return slices.ContainsFunc(fields, func(ref fieldRef) bool {
		f := r.at(ref.path)
		return f != nil && f.referenceable && isReference(c.get(r, values, ref.path))
	})
}

func count(arg any, k counted) (entityCheck, error) {
	fields, err := refs(arg)
	if err != nil {
		return nil, err
	}
	message := k.message + quoted(fields)
	return func(c *checker, r *record, values object) {
		if c.fromVault(r, values, fields...) {
			return
		}
		if !k.invalid && slices.ContainsFunc(fields, func(f fieldRef) bool { return c.invalid(f.path) }) {
			return
		}
		if !k.fine(c.filled(r, values, fields), len(fields)) {
			c.entity(k.rule, message)
		}
	}, nil
}

func exclusiveSets(arg any) (entityCheck, error) {
	of, _ := arg.(object)
	one, err1 := refs(of["set1"])
	two, err2 := refs(of["set2"])
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	message := "these sets are mutually exclusive: (" + quoted(one) + "), (" + quoted(two) + ")"
	return func(c *checker, r *record, values object) {
		if !c.fromVault(r, values, one...) && !c.fromVault(r, values, two...) && c.filled(r, values, one) > 0 && c.filled(r, values, two) > 0 {
			c.entity(BadValue, message)
		}
	}, nil
}

func distinct(arg any) (entityCheck, error) {
	fields, err := refs(arg)
	if err != nil {
		return nil, err
	}
	message := "values of these fields must be distinct: " + quoted(fields)
	return func(c *checker, r *record, values object) {
		if c.fromVault(r, values, fields...) {
			return
		}
		for i, f := range fields {
			v := c.get(r, values, f.path)
			if v == nil || c.invalid(f.path) {
				continue
			}
			for _, g := range fields[:i] {
				size, _ := length(v)
				if !c.spend(1 + size/64) {
					return
				}
				if other := c.get(r, values, g.path); other != nil && equal(v, other) {
					c.entity(BadValue, message)
					return
				}
			}
		}
	}, nil
}

// merged compiles a condition on a field. The condition's own rules replace the field's.
func (c compiler) merged(over any, path, name string) (*field, error) {
	own, ok := over.(object)
	if !ok {
		return nil, errors.New("a condition is not an object")
	}
	raw := maps.Clone(c.rawField(strings.Split(name, ".")))
	if raw == nil {
		raw = object{}
	}
	delete(raw, "required")
	maps.Copy(raw, own)
	f := &field{}
	return f, c.fill(f, raw, join(path, name))
}

// rawField returns the schema of a field by its path, or nil.
func (c compiler) rawField(path []string) object {
	at := c.raw
	for _, name := range path {
		list, _ := at["fields"].([]any)
		*c.left -= workItem * len(list)
		at = nil
		for _, item := range list {
			one, _ := item.(object)
			if spec, ok := one[name].(object); ok {
				at = spec
			}
		}
		if at == nil {
			return nil
		}
	}
	return at
}

// holds reports whether a value satisfies a condition.
func (c *checker) holds(f *field, v any) bool { return len(c.try(f, v)) == 0 }

func (c compiler) conditional(arg any, path string) (entityCheck, error) {
	of, _ := arg.(object)
	ifName, okIf := of["if_field"].(string)
	thenName, okThen := of["then_field"].(string)
	if !okIf || !okThen || ifName == "" || thenName == "" {
		return nil, errors.New("names no fields")
	}
	if _, err := refs([]any{ifName, thenName}); err != nil {
		return nil, err
	}
	when, err1 := c.merged(of["if_match"], path, ifName)
	then, err2 := c.merged(of["then_match"], path, thenName)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	ifRef, thenRef := refTo(ifName), refTo(thenName)
	message, _ := of["then_err"].(string)
	message = cmpOr(message, "failed conditional validation given value of field '"+ifName+"'")
	return func(c *checker, r *record, values object) {
		v := c.get(r, values, ifRef.path)
		if v == nil || isReference(v) || !c.holds(when, v) {
			return
		}
		if c.fromVault(r, values, thenRef) {
			return
		}
		w := c.get(r, values, thenRef.path)
		found := c.try(then, w)
		if len(found) == 0 {
			return
		}
		e := slices.MinFunc(found, func(a, b FieldError) int { return a.Path.compare(b.Path) })
		n := len(c.path)
		for _, name := range thenRef.path {
			c.path = append(c.path, Step{Name: name})
		}
		if !c.hasError(c.path) {
			c.path = append(c.path, e.Path...)
			c.add(e.Rule, e.Message)
		}
		c.path = c.path[:n]
		rule := BadValue
		if e.Rule == MissingField {
			rule = MissingField
		}
		if c.entity(rule, message); len(c.errs) > 0 {
			c.errs[len(c.errs)-1].Follows = true
		}
	}, nil
}

func (c compiler) conditionalOneOf(arg any, path string) (entityCheck, error) {
	of, _ := arg.(object)
	ifName, ok := of["if_field"].(string)
	if !ok || ifName == "" {
		return nil, errors.New("names no field")
	}
	if _, err := refs([]any{ifName}); err != nil {
		return nil, err
	}
	when, err1 := c.merged(of["if_match"], path, ifName)
	then, err2 := refs(of["then_at_least_one_of"])
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	var orElse *field
	var otherwise []fieldRef
	if of["else_match"] != nil {
		var err error
		if orElse, err = c.merged(of["else_match"], path, ifName); err != nil {
			return nil, err
		}
		if otherwise, err = refs(of["else_then_at_least_one_of"]); err != nil {
			return nil, err
		}
	}
	say := func(name string, fields []fieldRef) string {
		text, _ := of[name].(string)
		if text == "" {
			return "at least one of these fields must be non-empty: " + quoted(fields)
		}
		return strings.Replace(text, "%s", quotedOneOf(fields), 1)
	}
	thenMessage, elseMessage := say("then_err", then), say("else_then_err", otherwise)
	ref := refTo(ifName)
	return func(c *checker, r *record, values object) {
		v := c.get(r, values, ref.path)
		switch {
		case v == nil || isReference(v) || c.invalid(ref.path) || c.fromVault(r, values, then...) || c.fromVault(r, values, otherwise...):
		case c.holds(when, v):
			if c.filled(r, values, then) == 0 {
				c.entity(MissingField, thenMessage)
			}
		case orElse != nil && c.holds(orElse, v):
			if c.filled(r, values, otherwise) == 0 {
				c.entity(MissingField, elseMessage)
			}
		}
	}, nil
}

// custom finds a check that Kong implements in a function, by the kind and the fields that it needs. It runs when one of these fields is
// present and none has an error, as in Kong, unless the check has other settings.
func (c compiler) custom(arg any, path string) (entityCheck, error) {
	of, _ := arg.(object)
	fields, err := refs(of["field_sources"])
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	known := customChecks[c.name+":"+strings.Join(names, ",")]
	if known == nil {
		known = customChecks[c.name+":*"+path]
	}
	if known == nil {
		return nil, nil
	}
	withMissing, withInvalid := of["run_with_missing_fields"] == true, of["run_with_invalid_fields"] == true
	return func(c *checker, r *record, values object) {
		if c.fromVault(r, values, fields...) {
			return
		}
		there := withMissing
		for _, f := range fields {
			if c.invalid(f.path) && !withInvalid {
				return
			}
			there = there || c.get(r, values, f.path) != nil
		}
		if there {
			known(c, r, values)
		}
	}, nil
}
