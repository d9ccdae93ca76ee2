package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// hostile are bundles, some of a few hundred bytes, that make a small entity expensive; each by another part of the checker.
func hostile(t testing.TB) map[string]struct {
	bundle *schema.Bundle
	entity map[string]any
} {
	t.Helper()
	type pair = struct {
		bundle *schema.Bundle
		entity map[string]any
	}
	text, list := strings.Repeat("a", 3000), make([]any, 3000)
	for i := range list {
		list[i] = text[:i%200]
	}
	times := func(n int, form string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = strings.ReplaceAll(form, "#", fmt.Sprint(i))
		}
		return strings.Join(all, ",")
	}
	nested := `{"type":"string"}`
	for range 12 {
		nested = `{"type":"record","required":true,"fields":[{"a":` + nested + `},{"b":` + nested + `}]}`
		if len(nested) > 60_000 {
			break
		}
	}
	deep := `{"type":"string","len_min":0}`
	for range 10 {
		deep = `{"type":"record","fields":[{"f":` + deep +
			`},{"g":{"type":"string"}}],"entity_checks":[{"conditional":{"if_field":"f","if_match":{},"then_field":"g","then_match":{}}}]}`
	}
	inner := any("x")
	for range 11 {
		inner = map[string]any{"f": inner, "g": "x"}
	}
	return map[string]pair{
		"backtracking": {bundle(t, `{"f":{"type":"array","elements":{"type":"string","len_min":0,"match":".-.-.-.-.-.-x"}}}`,
			""), map[string]any{"f": list}},
		"sets of many characters": {bundle(t, `{"f":{"type":"array","elements":{"type":"string","len_min":0,"not_match":"[`+
			strings.Repeat("bcdefghi", 60)+`]-x"}}}`, ""), map[string]any{"f": list}},
		"many patterns": {bundle(t, `{"f":{"type":"string","match_any":{"patterns":[`+times(400, `"a-b%d#"`)+`]}}}`, ""),
			map[string]any{"f": text}},
		"balanced":              {bundle(t, `{"f":{"type":"string","match":"%bab"}}`, ""), map[string]any{"f": text}},
		"a captured word again": {bundle(t, `{"f":{"type":"string","match":"(a-)%1-%1-x"}}`, ""), map[string]any{"f": text}},
		"a long list of values": {bundle(t, `{"f":{"type":"array","elements":{"type":"string","len_min":0,"one_of":[`+
			times(5000, `"v#"`)+`]}}}`, ""), map[string]any{"f": list}},
		"required records in records": {bundle(t, `{"l":{"type":"array","elements":{"type":"record","fields":[{"r":`+nested+`}]}}}`, ""),
			map[string]any{"l": repeat(map[string]any{}, 200)}},
		"distinct": {bundle(t, times(1500, `{"f#":{"type":"string"}}`), `{"distinct":[`+times(1500, `"f#"`)+`]}`),
			fieldsOf(1500)},
		"shorthands of shorthands": {shorthands(t), map[string]any{}},
		"conditions on conditions": {bundle(t, `{"l":{"type":"array","elements":`+deep+`}}`, ""), map[string]any{"l": repeat(inner, 3000)}},
		"the same field in many checks": {bundle(t, `{"f":{"type":"string"}}`, times(4000, `{"at_least_one_of":["f","g","h","i"]}`)),
			map[string]any{"f": "x"}},
		"keys again and again": {custom(t), map[string]any{"cert": text, "key": text}},
		"regular expressions everywhere": {bundle(t, `{"f":{"type":"array","elements":{"type":"string","len_min":0,"is_regex":true}}}`, ""),
			map[string]any{"f": repeat(strings.Repeat("(a|b)*", 2000), 50)}},
		"unknown fields": {bundle(t, `{"f":{"type":"string"}}`, ""), unknown(20_000)},
	}
}

func repeat(v any, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = v
	}
	return list
}

func fieldsOf(n int) map[string]any {
	all := map[string]any{}
	for i := range n {
		all[fmt.Sprintf("f%d", i)] = fmt.Sprintf("value %d", i)
	}
	return all
}

func unknown(n int) map[string]any {
	all := map[string]any{}
	for i := range n {
		all[fmt.Sprintf("u%d", i)] = "x"
	}
	return all
}

// shorthands are many fields that stand for one, and checks that look for it.
func shorthands(t testing.TB) *schema.Bundle {
	t.Helper()
	var short, checks []string
	for i := range 2000 {
		short = append(short, fmt.Sprintf(`{"s%d":{"type":"string","deprecation":{"replaced_with":[{"path":["f"]}]}}}`, i))
		checks = append(checks, `{"at_least_one_of":["f"]}`)
	}
	return bundleOf(t, schema.Texts{Entities: map[string]json.RawMessage{"things": json.RawMessage(
		`{"fields":[{"f":{"type":"string"}}],"shorthand_fields":[` + strings.Join(short, ",") + `],"entity_checks":[` +
			strings.Join(checks, ",") + `]}`)}})
}

// custom names the check of a pair of keys many times.
func custom(t testing.TB) *schema.Bundle {
	t.Helper()
	check := `{"custom_entity_check":{"field_sources":["cert","key"]}}`
	return bundleOf(t, schema.Texts{Entities: map[string]json.RawMessage{"certificates": json.RawMessage(
		`{"fields":[{"cert":{"type":"string"}},{"key":{"type":"string"}}],"entity_checks":[` + strings.Repeat(check+",", 3000) + check + `]}`)}})
}

// TestHostileBundlesEndAtTheirBudget: whatever a bundle says, checking one entity takes no longer than its budget.
func TestHostileBundlesEndAtTheirBudget(t *testing.T) {
	for name, c := range hostile(t) {
		const steps = 200_000
		budget, began := schema.NewBudget(steps), time.Now()
		var err error
		for range 64 { // some need several entities to get there
			for _, kind := range []string{"thing", "certificate"} {
				var found []schema.FieldError
				if found, err = c.bundle.Check(t.Context(), budget, kind, c.entity); err != nil {
					if !errors.Is(err, schema.ErrBudget) || found != nil {
						t.Errorf("%s: %v with %d errors", name, err, len(found))
					}
					break
				}
			}
			if err != nil {
				break
			}
		}
		took := time.Since(began)
		t.Logf("%s: %v after %s", name, err, took)
		if err == nil {
			t.Errorf("%s: nothing of it is counted, %d steps are left after %s", name, budget.Left(), took)
		}
		if took > 2*time.Second { // a step is some nanoseconds; a machine may be busy
			t.Errorf("%s: %d steps took %s", name, steps, took)
		}
	}
}

// TestACheckEndsWithItsContext, long before its budget does.
func TestACheckEndsWithItsContext(t *testing.T) {
	b := bundle(t, `{"f":{"type":"array","elements":{"type":"string","len_min":0,"match":".-.-.-.-.-.-x"}}}`, "")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, context.Canceled)
	defer cancel()
	began := time.Now()
	found, err := b.Check(ctx, schema.NewBudget(1<<31), "thing", map[string]any{"f": repeat(strings.Repeat("a", 3000), 100_000)})
	if !errors.Is(err, context.Canceled) || found != nil {
		t.Errorf("got %v and %d errors", err, len(found))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it went on for %s", took)
	}
}

// TestUnspentStepsComeBack, so that a budget is for all entities what it is for each.
func TestUnspentStepsComeBack(t *testing.T) {
	b := bundle(t, `{"f":{"type":"string"}}`, "")
	const steps = 8000
	budget := schema.NewBudget(steps)
	for range 100 {
		if _, err := b.Check(t.Context(), budget, "thing", map[string]any{"f": "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if used := steps - budget.Left(); used < 100 || used > 2000 {
		t.Errorf("100 small checks took %d steps", used)
	}
}

// TestBundlesThatWouldCompileForEverAreRefused: a few megabytes must not become hours, nor gigabytes.
func TestBundlesThatWouldCompileForEverAreRefused(t *testing.T) {
	many := func(n int, form string) string {
		return strings.TrimSuffix(strings.Repeat(form+",", n), ",")
	}
	named := func(n int, value string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"p%d":%s,`, i, value)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	wrap := func(entities, plugins string) string {
		return `{"entities":{` + entities + `},"kong_version":"3.9.3","plugins":{` + plugins + `},"vaults":{}}`
	}
	for name, text := range map[string]string{
		"many plugins with many fields each": wrap(`"plugins":{"fields":[`+many(100_000, `{"a":{}}`)+`]}`, named(100_000, "{}")),
		"many plugins with many checks each": wrap(`"plugins":{"entity_checks":[`+many(100_000, `{}`)+`],"fields":[]}`, named(100_000, "{}")),
		"long checks in many conditions": wrap(`"things":{"entity_checks":[`+
			many(5000, `{"conditional":{"if_field":"f","if_match":{},"then_field":"f","then_match":{}}}`)+
			`],"fields":[{"f":{"entity_checks":[{"distinct":[`+
			many(100_000, `"a"`)+`]}],"fields":[],"type":"record"}}]}`, ""),
	} {
		began := time.Now()
		_, err := schema.Decode([]byte(text))
		if took := time.Since(began); !errors.Is(err, schema.ErrBundle) || took > time.Minute {
			t.Errorf("%s: %.100v after %s", name, err, took)
		}
	}
	began := time.Now()
	if _, err := schema.Decode([]byte(wrap(`"things":{"fields":[{"f":{"one_of":[`+many(900_000, `"b"`)+`],"type":"string"}}]}`,
		""))); err == nil {
		t.Error("a list of 900,000 values is compiled")
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("sorting a list took %s", took)
	}
}
