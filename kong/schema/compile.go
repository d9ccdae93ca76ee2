package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type kindOf uint8

const (
	typeAny kindOf = iota
	typeString
	typeInteger
	typeNumber
	typeBoolean
	typeArray
	typeSet
	typeMap
	typeRecord
	typeForeign
)

var typeNames = map[string]kindOf{
	"any": typeAny, "json": typeAny, "function": typeString, "string": typeString, "integer": typeInteger, "number": typeNumber,
	"boolean": typeBoolean, "array": typeArray, "set": typeSet, "map": typeMap, "record": typeRecord, "foreign": typeForeign,
}

// expected has Kong's message for a value of another type.
var expected = map[kindOf]string{
	typeString: "expected a string", typeInteger: "expected an integer", typeNumber: "expected a number", typeBoolean: "expected a boolean",
	typeArray: "expected an array", typeSet: "expected a set", typeMap: "expected a map", typeRecord: "expected a record",
}

// field is a compiled field, element, key or value.
type field struct {
	name          string
	typ           kindOf
	required      bool
	auto          bool
	generated     bool // Kong generates a text where none is given
	referenceable bool
	secret        bool // encrypted or referenceable: its value must not be shown
	hasDefault    bool
	def           any
	deprecated    string // what the schema says of a field that will go
	elements      *field
	keys, values  *field
	rec           *record
	isNull        bool // eq: null
	scope         bool // and it is a plugin's scope: the gateway takes a null value (F21)
	notNull       bool // ne: null
	between       *[2]float64
	oneOf         []any // the values of one_of
	rules         []rule
}

// rule checks a value of the right type. The rule's class and message are known beforehand.
type rule struct {
	broken  func(c *checker, value any) bool
	rule    Rule
	message string
	// custom is used instead of broken where the message depends on what is wrong.
	custom func(text string) string
}

// record is a compiled record: an entity, a plugin with its configuration, or a part of one.
type record struct {
	fields  map[string]*field
	order   []*field
	short   map[string]*shorthand
	aliases []*shorthand
	checks  []entityCheck
	cost    int  // of looking up the fields, in steps
	entity  bool // has the fields that no schema names, such as _comment
}

// shorthand is a field that Kong turns into another one.
type shorthand struct {
	field *field
	into  []string // the path within the record; empty when unknown
}

// entityCheck looks at a record whose fields have been checked.
type entityCheck func(c *checker, r *record, values object)

// compiler knows its place in the schema, so that it can add the rules that Kong has in functions.
type compiler struct {
	name string // entity kind, or plugins/name, or vaults/name
	raw  object // the record that is compiled, for conditions on its fields
	left *int   // the cost that is left: conditions compile fields again
}

// maxWork is how much a bundle may cost to compile, in bytes: ten times as much as a Kong with all its bundled plugins, and a fraction of a
// second.
const maxWork = 2 << 20

var errWork = errors.New("too many conditions on too many fields")

// spend counts the cost of a field without its nested fields, which count separately.
func (c compiler) spend(raw object) error {
	for name, value := range raw {
		switch name {
		case "fields", "shorthand_fields", "entity_checks", "elements", "keys", "values":
		default:
			*c.left -= len(name) + weight(value)
		}
	}
	return c.take(0)
}

// workItem is the base cost of an element of a list.
const workItem = 16

func (c compiler) take(work int) error {
	if *c.left -= work; *c.left < 0 {
		return errWork
	}
	return nil
}

func weight(value any) int {
	sum := 8
	switch value := value.(type) {
	case string:
		sum += len(value)
	case []any:
		for _, item := range value {
			sum += weight(item)
		}
	case object:
		for name, item := range value {
			sum += len(name) + weight(item)
		}
	}
	return sum
}

func compileEntity(kind string, value any, left *int) (*record, error) {
	raw, ok := value.(object)
	if !ok {
		return nil, errors.New("not an object")
	}
	c := compiler{name: kind, raw: raw, left: left}
	r, err := c.record(raw, "")
	if err != nil {
		return nil, err
	}
	r.entity = true
	c.addKnown(r)
	return r, nil
}

// compileSub joins the schema of an entity that has subschemas with one subschema. The subschema's fields replace those of the same name.
func compileSub(kind, name string, base, sub any, left *int) (*record, error) {
	subRaw, ok := sub.(object)
	if !ok {
		return nil, errors.New("not an object")
	}
	baseRaw, _ := base.(object)
	over := map[string]any{}
	subFields, _ := subRaw["fields"].([]any)
	baseFields, _ := baseRaw["fields"].([]any)
	baseChecks, _ := baseRaw["entity_checks"].([]any)
	subChecks, _ := subRaw["entity_checks"].([]any)
	if *left -= workItem * (1 + 2*len(subFields) + len(baseFields) + len(baseChecks) + len(subChecks)); *left < 0 {
		return nil, errWork
	}
	for _, item := range subFields {
		one, _ := item.(object)
		for field, spec := range one {
			over[field] = spec
		}
	}
	var fields []any
	for _, item := range baseFields {
		one, _ := item.(object)
		for field, spec := range one {
			if mine, ok := over[field]; ok {
				spec = mine
				delete(over, field)
			}
			fields = append(fields, object{field: spec})
		}
	}
	for _, item := range subFields {
		one, _ := item.(object)
		for field, spec := range one {
			if _, left := over[field]; left {
				fields = append(fields, object{field: spec})
			}
		}
	}
	raw := object{"fields": fields, "entity_checks": slices.Concat(baseChecks, subChecks)}
	c := compiler{name: kind + "/" + name, raw: raw, left: left}
	r, err := c.record(raw, "")
	if err != nil {
		return nil, err
	}
	r.entity = true
	for _, f := range r.order {
		f.scope = f.isNull && f.typ == typeForeign
	}
	compiler{name: kind, raw: raw}.addKnown(r)
	return r, nil
}

func (c compiler) record(raw object, path string) (*record, error) {
	r := &record{fields: map[string]*field{}, short: map[string]*shorthand{}}
	inner := compiler{name: c.name, raw: raw, left: c.left}
	for _, part := range []func(*record, object, string) error{c.fields, c.shorthands, inner.checks} {
		if err := part(r, raw, path); err != nil {
			return nil, err
		}
	}
	if known := recordChecks[c.name+":"+path]; known != nil {
		r.checks = append(r.checks, known)
	}
	return r, nil
}

func (c compiler) fields(r *record, raw object, path string) error {
	list, ok := raw["fields"].([]any)
	if !ok && !emptyTable(raw["fields"]) {
		return errors.New("fields are not a list")
	}
	for _, item := range list {
		if err := c.take(workItem); err != nil {
			return err
		}
		one, ok := item.(object)
		if !ok || len(one) != 1 {
			return errors.New("a field is not an object with its name")
		}
		for name, spec := range one {
			f, err := c.field(name, spec, join(path, name))
			if err != nil {
				return err
			}
			if r.fields[name] == nil {
				r.order = append(r.order, f)
				r.cost += 1 + len(name)/32
			}
			r.fields[name] = f
		}
	}
	return nil
}

func (c compiler) shorthands(r *record, raw object, path string) error {
	list, _ := raw["shorthand_fields"].([]any)
	for _, item := range list {
		if err := c.take(workItem); err != nil {
			return err
		}
		one, _ := item.(object)
		for name, spec := range one {
			f, err := c.field(name, spec, join(path, name))
			if err != nil {
				return err
			}
			s := &shorthand{field: f, into: replacement(spec)}
			if len(s.into) == 0 {
				s.into = shorthands[c.name+":"+join(path, name)]
			}
			r.short[name] = s
			if len(s.into) > 0 {
				r.aliases = append(r.aliases, s)
			}
		}
	}
	return nil
}

func (c compiler) checks(r *record, raw object, path string) error {
	list, _ := raw["entity_checks"].([]any)
	for _, item := range list {
		if err := c.take(workItem); err != nil {
			return err
		}
		one, _ := item.(object)
		for name, arg := range one {
			check, err := c.check(name, arg, path)
			if err != nil {
				return fmt.Errorf("entity check %q: %w", name, err)
			}
			if check != nil {
				r.checks = append(r.checks, check)
			}
		}
	}
	return nil
}

// replacement returns the path of the field that a shorthand stands for: the first that its deprecation names.
func replacement(spec any) []string {
	of, _ := spec.(object)
	deprecation, _ := of["deprecation"].(object)
	list, _ := deprecation["replaced_with"].([]any)
	if len(list) == 0 {
		return nil
	}
	first, _ := list[0].(object)
	steps, _ := first["path"].([]any)
	var path []string
	for _, s := range steps {
		if name, ok := s.(string); ok {
			path = append(path, name)
		}
	}
	if len(path) > maxPath {
		return nil
	}
	return path
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// emptyTable reports whether a value is an empty table or nothing. Lua does not distinguish an empty list and an empty object.
func emptyTable(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case object:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return false
}

func (c compiler) field(name string, spec any, path string) (*field, error) {
	raw, ok := spec.(object)
	if !ok {
		return nil, fmt.Errorf("field %q is not an object", path)
	}
	f := &field{name: name}
	if err := c.fill(f, raw, path); err != nil {
		return nil, fmt.Errorf("field %q: %w", path, err)
	}
	return f, nil
}

func (c compiler) fill(f *field, raw object, path string) error {
	if err := c.spend(raw); err != nil {
		return err
	}
	if said, has := raw["type"]; has {
		name, _ := said.(string)
		known, ok := typeNames[name]
		if !ok {
			return errors.New("unknown type")
		}
		f.typ = known
	}
	flag := func(name string) bool { is, _ := raw[name].(bool); return is }
	f.required, f.auto, f.referenceable = flag("required"), flag("auto"), flag("referenceable")
	f.secret = f.referenceable || flag("encrypted")
	if f.def, f.hasDefault = raw["default"]; f.def == nil {
		f.hasDefault = false
	}
	f.deprecated = deprecation(raw)
	f.generated = f.auto && f.typ == typeString && !flag("uuid") && !flag("timestamp")
	eq, hasEq := raw["eq"]
	ne, hasNe := raw["ne"]
	f.isNull, f.notNull = hasEq && eq == nil, hasNe && ne == nil
	if err := c.inside(f, raw, path); err != nil {
		return err
	}
	return c.rules(f, raw, path)
}

// inside compiles the elements, the keys and values, or the fields of a field.
func (c compiler) inside(f *field, raw object, path string) (err error) {
	switch f.typ {
	case typeArray, typeSet:
		f.elements, err = c.part(raw["elements"], path+"[]", true)
	case typeMap:
		if f.keys, err = c.part(raw["keys"], path+"<k>", false); err == nil {
			f.values, err = c.part(raw["values"], path+"<v>", true)
		}
	case typeRecord:
		if _, opened := raw["fields"]; opened && raw["abstract"] != true {
			f.rec, err = c.record(raw, path)
		}
	}
	return err
}

// part compiles the elements, keys or values of a field. It returns nil when the schema has none.
func (c compiler) part(spec any, path string, required bool) (*field, error) {
	if spec == nil {
		return nil, nil
	}
	raw, ok := spec.(object)
	if !ok {
		return nil, errors.New("elements, keys or values are not an object")
	}
	f := &field{}
	if err := c.fill(f, raw, path); err != nil {
		return nil, err
	}
	f.required = f.required || required
	return f, nil
}

// rules compiles what a value of the right type must satisfy, in a fixed order. Only the first violation is reported.
func (c compiler) rules(f *field, raw object, path string) error {
	own, _ := raw["err"].(string)
	add := func(rule Rule, message string, broken func(*checker, any) bool) {
		f.rules = append(f.rules, ruleOf(rule, cmpOr(own, message), broken))
	}
	if err := c.lengths(f, raw, add); err != nil {
		return err
	}
	if err := numbers(f, raw, add); err != nil {
		return err
	}
	if eq, has := raw["eq"]; has && eq != nil {
		add(BadValue, "value must be "+literal(eq), func(_ *checker, v any) bool { return !equal(v, eq) })
	}
	if ne, has := raw["ne"]; has && ne != nil {
		add(BadValue, "value must not be "+literal(ne), func(_ *checker, v any) bool { return equal(v, ne) })
	}
	if list, ok := scalars(raw["one_of"]); ok {
		rule := BadValue
		if len(list) == 0 {
			rule = Unsupported
		}
		f.oneOf = list
		add(rule, "expected one of: "+joinLiterals(list), func(c *checker, v any) bool { return !c.among(v, list) })
	}
	if list, ok := scalars(raw["not_one_of"]); ok {
		add(BadValue, "must not be one of: "+joinLiterals(list), func(c *checker, v any) bool { return c.among(v, list) })
	}
	if want, has := raw["contains"]; has && want != nil {
		add(BadValue, "expected to contain: "+literal(want), func(c *checker, v any) bool {
			list, _ := v.([]any)
			c.spend(len(list))
			return !slices.ContainsFunc(list, func(item any) bool { return equal(item, want) })
		})
	}
	if err := texts(raw, add); err != nil {
		return err
	}
	if raw["uuid"] == true {
		add(BadValue, "expected a valid UUID", ofText(func(_ *checker, s string) bool { return !IsUUID(s) }))
	}
	if raw["timestamp"] == true {
		add(BadValue, "expected a valid timestamp", func(_ *checker, v any) bool { n, ok := number(v); return ok && n <= 0 })
	}
	if raw["is_regex"] == true {
		add(BadValue, "not a valid regex", ofText(func(c *checker, s string) bool { return c.spend(perByte*len(s)) && !validPCRE(s) }))
	}
	if sets, ok := raw["mutually_exclusive_subsets"].([]any); ok {
		c.exclusive(sets, add)
	}
	if check := c.known(path); check != nil && f.typ == typeString {
		f.rules = append(f.rules, rule{custom: check, rule: BadValue})
	}
	return nil
}

func ruleOf(r Rule, message string, broken func(*checker, any) bool) rule {
	return rule{broken: broken, rule: r, message: message}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

type adder func(rule Rule, message string, broken func(*checker, any) bool)

func (c compiler) lengths(f *field, raw object, add adder) error {
	bound := func(name string, message string, broken func(have, want int) bool) error {
		value, has := raw[name]
		if !has {
			return nil
		}
		want, ok := number(value)
		if !ok {
			return fmt.Errorf("%s is not a number", name)
		}
		add(BadValue, fmt.Sprintf(message, int(want)), func(_ *checker, v any) bool {
			have, ok := length(v)
			return ok && broken(have, int(want))
		})
		return nil
	}
	if f.typ == typeString && raw["len_min"] == nil {
		add(BadValue, "length must be at least 1", func(_ *checker, v any) bool { return v == "" })
	}
	return errors.Join(
		bound("len_eq", "length must be %d", func(have, want int) bool { return have != want }),
		bound("len_min", "length must be at least %d", func(have, want int) bool { return have < want }),
		bound("len_max", "length must be at most %d", func(have, want int) bool { return have > want }))
}

func numbers(f *field, raw object, add adder) error {
	if value, has := raw["between"]; has {
		ends, _ := value.([]any)
		if len(ends) != 2 {
			return errors.New("between has no two ends")
		}
		low, okLow := number(ends[0])
		high, okHigh := number(ends[1])
		if !okLow || !okHigh {
			return errors.New("between has no numbers")
		}
		f.between = &[2]float64{low, high}
		add(BadValue, fmt.Sprintf("value should be between %s and %s", literal(ends[0]), literal(ends[1])), func(_ *checker, v any) bool {
			n, ok := number(v)
			return !ok || n < low || n > high
		})
	}
	if value, has := raw["gt"]; has {
		least, ok := number(value)
		if !ok {
			return errors.New("gt is not a number")
		}
		add(BadValue, "value must be greater than "+literal(value), func(_ *checker, v any) bool {
			n, ok := number(v)
			return !ok || n <= least
		})
	}
	return nil
}

func texts(raw object, add adder) error {
	if prefix, ok := raw["starts_with"].(string); ok {
		add(BadValue, "should start with: "+prefix, ofText(func(_ *checker, s string) bool { return !strings.HasPrefix(s, prefix) }))
	}
	one := func(value any, message string, wanted bool) error {
		text, ok := value.(string)
		if !ok {
			return errPattern
		}
		p, err := parsePattern(text)
		if err != nil {
			return err
		}
		add(BadValue, message, ofText(func(c *checker, s string) bool { return p.find(c.allowance, s, wanted) != wanted }))
		return nil
	}
	each := func(name string, wanted bool) error {
		list, _ := raw[name].([]any)
		for _, item := range list {
			of, _ := item.(object)
			message, _ := of["err"].(string)
			if err := one(of["pattern"], cmpOr(message, "invalid value"), wanted); err != nil {
				return err
			}
		}
		return nil
	}
	if err := errors.Join(each("match_none", false), each("match_all", true)); err != nil {
		return err
	}
	if value, has := raw["match"]; has {
		if err := one(value, "invalid value: want the pattern "+literal(value), true); err != nil {
			return err
		}
	}
	if value, has := raw["not_match"]; has {
		if err := one(value, "invalid value: must not have the pattern "+literal(value), false); err != nil {
			return err
		}
	}
	if of, ok := raw["match_any"].(object); ok {
		return matchAny(of, add)
	}
	return nil
}

func matchAny(of object, add adder) error {
	list, _ := of["patterns"].([]any)
	var patterns []*pattern
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return errPattern
		}
		p, err := parsePattern(text)
		if err != nil {
			return err
		}
		patterns = append(patterns, p)
	}
	message, _ := of["err"].(string)
	add(BadValue, cmpOr(message, "invalid value: want one of the patterns "+joinLiterals(list)), ofText(func(c *checker, s string) bool {
		return !slices.ContainsFunc(patterns, func(p *pattern) bool { return p.find(c.allowance, s, true) })
	}))
	return nil
}

// exclusive compiles sets of values. A value of the field may draw on one set only.
func (c compiler) exclusive(sets []any, add adder) {
	member := map[string]int{}
	var names []string
	for i, item := range sets {
		list, _ := scalars(item)
		for _, v := range list {
			if s, ok := v.(string); ok {
				member[s] = i + 1
			}
		}
		names = append(names, "("+joinLiterals(list)+")")
	}
	add(BadValue, "these sets are mutually exclusive: "+strings.Join(names, ", "), func(c *checker, v any) bool {
		list, _ := v.([]any)
		c.spend(len(list))
		seen := 0
		for _, item := range list {
			s, _ := item.(string)
			switch of := member[s]; {
			case of == 0:
			case seen != 0 && seen != of:
				return true
			default:
				seen = of
			}
		}
		return false
	})
}

// ofText makes a rule about strings. Other types satisfy it.
func ofText(broken func(*checker, string) bool) func(*checker, any) bool {
	return func(c *checker, v any) bool {
		s, ok := v.(string)
		return ok && broken(c, s)
	}
}

// scalars returns a list of scalars. An empty Lua table is one too.
func scalars(value any) ([]any, bool) {
	list, ok := value.([]any)
	if !ok && value != nil && emptyTable(value) {
		return nil, true
	}
	return list, ok
}

func (c *checker) among(v any, list []any) bool {
	c.spend(len(list) / 2)
	return slices.ContainsFunc(list, func(item any) bool { return equal(v, item) })
}

// equal compares scalars, numbers by value.
func equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case string:
		other, ok := b.(string)
		return ok && a == other
	case bool:
		other, ok := b.(bool)
		return ok && a == other
	}
	return a == nil && b == nil
}

// number returns a number in any of the types that callers use.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case json.Number:
		n, err := strconv.ParseFloat(string(v), 64)
		return n, err == nil
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case int32:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float32:
		return float64(v), true
	}
	return 0, false
}

func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return len(v), true
	case []any:
		return len(v), true
	case object:
		return len(v), true
	}
	return 0, false
}

// literal writes a scalar of a schema. It must not be given values of a configuration.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

func joinLiterals(list []any) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = literal(v)
	}
	return strings.Join(words, ", ")
}

// IsUUID reports whether a text has the form of a UUID, in lower or upper case.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && !isHex(s[i]) {
			return false
		}
	}
	return true
}
