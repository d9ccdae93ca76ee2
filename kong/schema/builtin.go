package schema

import (
	"context"
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"
)

// builtInText has Kong 3.9.3's rules for texts and for whole entities, in the form of /schemas. It holds for both editions and every router
// flavor. Values that only some gateways take are left to the schemas of those gateways.
//
//go:embed builtin.json
var builtInText []byte

var builtIn = sync.OnceValue(func() *Bundle {
	entities, err := parse(builtInText)
	if err != nil {
		panic(err) // the text is constant
	}
	b, err := build(object{"kong_version": "3.9.3", "entities": entities, "plugins": object{}, "vaults": object{}})
	if err != nil {
		panic(err)
	}
	return b
})

// Protocols returns the protocols of routes, services and plugins in either edition, sorted.
func Protocols() []string { return slices.Sorted(maps.Keys(families)) }

// builtInField returns a field of the built-in rules, or nil. Kind and path are as in ValueRule.
func builtInField(kind, path string) *field {
	if path == "tags[]" {
		kind = "services" // Kong has one rule for the tags of every kind
	}
	return builtIn().kinds[singular(kind)].lookup(path)
}

// ValueRule returns Kong 3.9.3's rule for the text of a field. It needs no gateway. The rule returns what is wrong, without the text, and
// nothing when the text is valid. It is safe for concurrent use. Kind is in the plural. In a path, [] stands for the elements of a list,
// <k> and <v> for the keys and values of a map. Fields without a rule give nil.
func ValueRule(kind, path string) func(text string) string {
	f := builtInField(kind, path)
	if f == nil || f.typ != typeString {
		return nil
	}
	return func(text string) string {
		c := checkers.Get().(*checker)
		defer checkers.Put(c)
		c.reset(len(text))
		if c.value(f, text); c.allowance.err == nil && len(c.errs) > 0 {
			return c.errs[0].Message
		}
		return ""
	}
}

// Range returns the least and the greatest number that Kong 3.9.3 takes in a field, with kind and path as in ValueRule.
func Range(kind, path string) (low, high int64, ok bool) {
	if f := builtInField(kind, path); f != nil && f.between != nil {
		return int64(f.between[0]), int64(f.between[1]), true
	}
	return 0, 0, false
}

// OneOf returns the values that Kong 3.9.3 takes in a field, sorted, numbers as text, with kind and path as in ValueRule. It holds for both
// editions. Fields that take any value give nil.
func OneOf(kind, path string) []string {
	f := builtInField(kind, path)
	if f == nil {
		return nil
	}
	var values []string
	for _, v := range f.oneOf {
		values = append(values, literal(v))
	}
	return values
}

// CheckWhole returns what Kong 3.9.3 refuses because of the combination of an entity's fields, such as a route without anything to match
// on. It needs no gateway and does not check single fields. Kind is in the plural; the entity is as in Bundle.Check.
func CheckWhole(kind string, entity map[string]any) []FieldError {
	r := builtIn().kinds[singular(kind)]
	if r == nil || len(r.checks) == 0 {
		return nil
	}
	c := newBuiltInChecker()
	c.reset(0)
	for _, f := range r.order {
		if v := entity[f.name]; v != nil && f.typ == typeSet {
			c.path = append(c.path, Step{Name: f.name})
			c.rules(f, v)
			c.path = c.path[:0]
		}
	}
	for _, check := range r.checks {
		check(c, r, entity)
	}
	return c.errs
}

// exhausted is an empty budget: a check ends when its allowance is spent.
var exhausted = NewBudget(0)

func newBuiltInChecker() *checker {
	return &checker{allowance: &allowance{ctx: context.Background(), budget: exhausted}}
}

// checkers holds the checkers of ValueRule. A large configuration has a million texts.
var checkers = sync.Pool{New: func() any { return newBuiltInChecker() }}

// reset prepares a checker for an entity or a text of a size in bytes.
func (c *checker) reset(bytes int) {
	c.errs, c.path = c.errs[:0], c.steps[:0]
	c.allowance.left, c.allowance.err = entityBudget+byteBudget*bytes, nil
}

// lookup returns the field at a path, or nil.
func (r *record) lookup(path string) *field {
	var f *field
	for name := range strings.SplitSeq(path, ".") {
		if f != nil {
			r = f.rec
		}
		if r == nil {
			return nil
		}
		at := strings.IndexAny(name+"[", "[<")
		f = r.fields[name[:at]]
		for rest := name[at:]; f != nil && rest != ""; {
			switch {
			case strings.HasPrefix(rest, "[]"):
				f, rest = f.elements, rest[2:]
			case strings.HasPrefix(rest, "<k>"):
				f, rest = f.keys, rest[3:]
			case strings.HasPrefix(rest, "<v>"):
				f, rest = f.values, rest[3:]
			default:
				return nil
			}
		}
	}
	return f
}
