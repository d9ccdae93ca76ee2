package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// bundle is one of the kind "things", with the given fields and entity checks.
func bundle(t testing.TB, fields, checks string) *schema.Bundle {
	t.Helper()
	return bundleOf(t, schema.Texts{Entities: map[string]json.RawMessage{
		"things": json.RawMessage(`{"fields":[` + fields + `],"entity_checks":[` + checks + `]}`),
	}})
}

func bundleOf(t testing.TB, texts schema.Texts) *schema.Bundle {
	t.Helper()
	texts.KongVersion = "3.9.3"
	b, err := schema.New(texts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verdict is what a bundle says of an entity, with as much time as it takes.
func verdict(t testing.TB, b *schema.Bundle, kind string, entity map[string]any) []schema.FieldError {
	t.Helper()
	errs, err := b.Check(t.Context(), schema.NewBudget(1<<40), kind, entity)
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

func strictVerdict(t testing.TB, b *schema.Bundle, kind string, entity map[string]any) []schema.FieldError {
	t.Helper()
	errs, err := b.CheckStrict(t.Context(), schema.NewBudget(1<<40), kind, entity)
	if err != nil {
		t.Fatal(err)
	}
	return errs
}

// told writes errors as lines: rule, path as Kong has it, path as we have it.
func told(errs []schema.FieldError) []string {
	var lines []string
	for _, e := range errs {
		where := e.Path.Kong() + " " + e.Path.String()
		if e.Whole {
			where += "@entity"
		}
		lines = append(lines, e.Rule.String()+" "+where)
	}
	return lines
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var entity map[string]any
	if err := json.Unmarshal([]byte(text), &entity); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return entity
}

func TestFieldRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		field string
		good  []string
		bad   map[string]string // value: rule and paths
	}{
		{"strings are not empty", `{"type":"string"}`, []string{`"a"`, `null`}, map[string]string{
			`""`: "bad-value f f", `1`: "wrong-type f f", `true`: "wrong-type f f", `[]`: "wrong-type f f",
		}},
		{"strings may be empty where the schema says so", `{"type":"string","len_min":0}`, []string{`""`}, map[string]string{}},
		{"integers", `{"type":"integer"}`, []string{`1`, `-1`, `1.0`, `1e20`}, map[string]string{
			`1.5`: "wrong-type f f", `"1"`: "wrong-type f f",
		}},
		{"numbers", `{"type":"number"}`, []string{`1.5`, `0`}, map[string]string{`"1"`: "wrong-type f f", `{}`: "wrong-type f f"}},
		{"booleans", `{"type":"boolean"}`, []string{`true`, `false`}, map[string]string{`"true"`: "wrong-type f f", `1`: "wrong-type f f"}},
		{"anything", `{"type":"any"}`, []string{`1`, `{"a":[1]}`, `""`}, map[string]string{}},
		{"no type is anything", `{}`, []string{`1`, `[]`}, map[string]string{}},
		{"required", `{"type":"string","required":true}`, []string{`"a"`}, map[string]string{`null`: "missing-field f f"}},
		{"required with a default", `{"type":"string","required":true,"default":"a"}`, []string{`"b"`},
			map[string]string{`null`: "missing-field f f"}},
		{"required and made by the gateway", `{"type":"string","required":true,"auto":true}`, []string{`null`}, map[string]string{}},
		{"one_of", `{"type":"string","one_of":["b","a"]}`, []string{`"a"`, `"b"`}, map[string]string{`"c"`: "bad-value f f"}},
		{"one_of numbers", `{"type":"integer","one_of":[426,301]}`, []string{`426`, `301.0`}, map[string]string{`302`: "bad-value f f"}},
		{"one_of nothing", `{"type":"string","one_of":{}}`, nil, map[string]string{`"a"`: "unsupported f f"}},
		{"not_one_of", `{"type":"string","not_one_of":["env"]}`, []string{`"a"`}, map[string]string{`"env"`: "bad-value f f"}},
		{"between", `{"type":"integer","between":[1,10]}`, []string{`1`, `10`}, map[string]string{`0`: "bad-value f f", `11`: "bad-value f f"}},
		{"gt", `{"type":"number","gt":0}`, []string{`0.1`}, map[string]string{`0`: "bad-value f f", `-1`: "bad-value f f"}},
		{"eq", `{"type":"boolean","eq":true}`, []string{`true`, `null`}, map[string]string{`false`: "bad-value f f"}},
		{"eq null", `{"type":"string","eq":null}`, []string{`null`}, map[string]string{`"a"`: "bad-value f f"}},
		{"ne", `{"type":"string","ne":"x"}`, []string{`"y"`}, map[string]string{`"x"`: "bad-value f f"}},
		{"ne null", `{"type":"string","ne":null}`, []string{`"y"`}, map[string]string{`null`: "missing-field f f"}},
		{"len_eq", `{"type":"string","len_eq":2}`, []string{`"ab"`}, map[string]string{`"a"`: "bad-value f f", `"abc"`: "bad-value f f"}},
		{"len_min of a list", `{"type":"array","elements":{"type":"string"},"len_min":1}`, []string{`["a"]`},
			map[string]string{`[]`: "bad-value f f", `{}`: "bad-value f f"}},
		{"len_max counts bytes", `{"type":"string","len_max":3}`, []string{`"abc"`}, map[string]string{`"éé"`: "bad-value f f"}},
		{"len_min of a map", `{"type":"map","keys":{"type":"string"},"values":{"type":"string"},"len_min":1}`, []string{`{"a":"b"}`},
			map[string]string{`{}`: "bad-value f f"}},
		{"match", `{"type":"string","match":"^%u+$"}`, []string{`"GET"`}, map[string]string{`"get"`: "bad-value f f", `"G T"`: "bad-value f f"}},
		{"not_match", `{"type":"string","not_match":"%s"}`, []string{`"ab"`}, map[string]string{`"a b"`: "bad-value f f"}},
		{"match_none", `{"type":"string","match_none":[{"pattern":"//","err":"no"},{"pattern":"^x"}]}`, []string{`"/a"`},
			map[string]string{`"a//b"`: "bad-value f f", `"xa"`: "bad-value f f"}},
		{"match_all", `{"type":"string","match_all":[{"pattern":"a"},{"pattern":"b"}]}`, []string{`"ab"`},
			map[string]string{`"a"`: "bad-value f f"}},
		{"match_any", `{"type":"string","match_any":{"patterns":["^/","^~/"],"err":"no"}}`, []string{`"/a"`, `"~/a"`},
			map[string]string{`"a"`: "bad-value f f"}},
		{"starts_with", `{"type":"string","starts_with":"/"}`, []string{`"/a"`}, map[string]string{`"a"`: "bad-value f f"}},
		{"contains", `{"type":"set","elements":{"type":"string"},"contains":"exp"}`, []string{`["nbf","exp"]`},
			map[string]string{`["nbf"]`: "bad-value f f"}},
		{"is_regex", `{"type":"string","is_regex":true}`, []string{`"a(?=b)"`, `"[a-z]+"`},
			map[string]string{`"a("`: "bad-value f f", `"a)"`: "bad-value f f", `"["`: "bad-value f f"}},
		{"uuid", `{"type":"string","uuid":true}`, []string{`"7a1f3c52-5d0e-4a6b-9c3d-2f1e0b9a8c7d"`}, map[string]string{
			`"7a1f3c52"`: "bad-value f f", `"7a1f3c52-5d0e-4a6b-9c3d-2f1e0b9a8c7g"`: "bad-value f f",
		}},
		{"timestamp", `{"type":"number","timestamp":true}`, []string{`1.5`}, map[string]string{`0`: "bad-value f f", `"x"`: "wrong-type f f"}},
		{"arrays", `{"type":"array","elements":{"type":"integer","between":[1,3]}}`, []string{`[1,2]`, `[]`, `{}`}, map[string]string{
			`[1,9]`: "bad-value f.2 f[1]", `[null]`: "missing-field f.1 f[0]", `{"a":1}`: "wrong-type f f", `1`: "wrong-type f f",
		}},
		{"sets", `{"type":"set","elements":{"type":"string"}}`, []string{`["a","a"]`},
			map[string]string{`"a"`: "wrong-type f f", `[1]`: "wrong-type f.1 f[0]"}},
		{"mutually_exclusive_subsets", `{"type":"set","elements":{"type":"string"},"mutually_exclusive_subsets":[["http","https"],["tcp"]]}`,
			[]string{`["http","https"]`, `["tcp"]`, `["other","tcp"]`}, map[string]string{`["http","tcp"]`: "bad-value f f"}},
		{"maps",
			`{"type":"map","keys":{"type":"string","match_none":[{"pattern":"^[Hh]ost$"}]},"values":{"type":"array","elements":{"type":"string"}}}`,
			[]string{`{"a":["b"]}`, `{}`, `[]`}, map[string]string{
				`{"host":["b"]}`: "bad-value f f.host", `{"a":"b"}`: "wrong-type f f.a", `{"a":["b",1]}`: "wrong-type f.2 f.a[1]",
				`["a"]`:      "wrong-type f f",
				`{"":["a"]}`: "bad-value f f.",
			}},
		{"records", `{"type":"record","fields":[{"a":{"type":"string","required":true}},{"b":{"type":"integer"}}]}`,
			[]string{`{"a":"x"}`, `null`}, map[string]string{
				`{}`: "missing-field f.a f.a", `{"a":"x","b":"y"}`: "wrong-type f.b f.b", `{"a":"x","c":1}`: "unknown-field f.c f.c",
				`[1]`: "wrong-type f f", `"x"`: "wrong-type f f",
			}},
		{"required records are filled in", `{"type":"record","required":true,"fields":[{"a":{"type":"string","required":true}}]}`,
			[]string{`{"a":"x"}`}, map[string]string{`null`: "missing-field f f", `{}`: "missing-field f.a f.a"}},
		{"records without fields", `{"type":"record","fields":[]}`, []string{`{}`, `[]`}, map[string]string{`{"a":1}`: "unknown-field f.a f.a"}},
		{"abstract records are not looked into", `{"type":"record","abstract":true}`, []string{`{"a":1}`},
			map[string]string{`1`: "wrong-type f f"}},
		{"references", `{"type":"foreign","reference":"others","required":true}`,
			[]string{`"name"`, `{"id":"7a1f3c52-5d0e-4a6b-9c3d-2f1e0b9a8c7d"}`},
			map[string]string{`{"name":"a"}`: "missing-field f.id f.id", `{"id":"x"}`: "bad-value f.id f.id", `12`: "wrong-type f f",
				`null`: "missing-field f f"}},
		{"references that must not be", `{"type":"foreign","reference":"others","eq":null}`, []string{`null`},
			map[string]string{`"a"`: "bad-value f f"}},
		{"vault references skip the rules", `{"type":"string","referenceable":true,"len_max":3}`, []string{`"{vault://env/x}"`},
			map[string]string{
				`"{vault://}"`: "bad-value f f", `"abcd"`: "bad-value f f",
			}},
		{"vault references are ordinary text elsewhere", `{"type":"string","len_max":3}`, nil,
			map[string]string{`"{vault://env/x}"`: "bad-value f f"}},
		{"vault references in lists", `{"type":"array","elements":{"type":"string","referenceable":true,"match":"^a$"}}`,
			[]string{`["a","{vault://env/x}"]`},
			map[string]string{`["b"]`: "bad-value f.1 f[0]"}},
		{"the schema's own words", `{"type":"string","one_of":["a"],"err":"no such thing"}`, nil, map[string]string{`"b"`: "bad-value f f"}},
		{"functions are text", `{"type":"function"}`, []string{`"return 1"`}, map[string]string{`1`: "wrong-type f f"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle(t, `{"f":`+c.field+`}`, "")
			for _, value := range c.good {
				if errs := verdict(t, b, "thing", object(t, `{"f":`+value+`}`)); len(errs) > 0 {
					t.Errorf("%s is refused: %v", value, errs)
				}
			}
			for value, want := range c.bad {
				errs := verdict(t, b, "thing", object(t, `{"f":`+value+`}`))
				if got := strings.Join(told(errs), "; "); got != want {
					t.Errorf("%s: got %q, want %q", value, got, want)
				}
			}
		})
	}
}

func TestMessagesNameWhatIsAllowed(t *testing.T) {
	for field, want := range map[string]string{
		`{"type":"string","one_of":["b","a"]}`:                               "f: expected one of: a, b",
		`{"type":"string","len_min":9}`:                                      "f: length must be at least 9",
		`{"type":"string","match":"^%d$","err":"not a digit"}`:               "f: not a digit",
		`{"type":"string","match_none":[{"pattern":"e","err":"without e"}]}`: "f: without e",
		`{"type":"integer"}`:                                                 "f: expected an integer",
	} {
		errs := verdict(t, bundle(t, `{"f":`+field+`}`, ""), "thing", map[string]any{"f": "secret"})
		if len(errs) != 1 || errs[0].String() != want {
			t.Errorf("%s: got %v, want %q", field, errs, want)
		}
		if strings.Contains(fmt.Sprint(errs), "secret") {
			t.Errorf("%s: the value is in %v", field, errs)
		}
	}
}

func TestNumbersComeInAnyForm(t *testing.T) {
	b := bundle(t, `{"f":{"type":"integer","between":[1,3]}}`, "")
	for _, v := range []any{2, int64(2), 2.0, json.Number("2"), json.Number("2e0"), uint64(2), float32(2), int32(2)} {
		if errs := verdict(t, b, "thing", map[string]any{"f": v}); len(errs) > 0 {
			t.Errorf("%T %v is refused: %v", v, v, errs)
		}
	}
	for _, v := range []any{4, json.Number("4"), json.Number("2.5"), json.Number("1e999"), "2", struct{}{}, []string{"a"}} {
		if errs := verdict(t, b, "thing", map[string]any{"f": v}); len(errs) != 1 {
			t.Errorf("%T %v is accepted", v, v)
		}
	}
}

func TestEntityChecks(t *testing.T) {
	const abc = `{"a":{"type":"string"}},{"b":{"type":"string"}},{"c":{"type":"string"}},{"n":{"type":"number","default":0}},
		{"r":{"type":"record","required":true,"fields":[{"x":{"type":"string"}},{"y":{"type":"integer","default":7}}]}},
		{"s":{"type":"record","fields":[{"x":{"type":"string","default":"d"}}]}},{"list":{"type":"set","elements":{"type":"string"}}}`
	for _, c := range []struct {
		name  string
		check string
		good  []string
		bad   map[string]string
	}{
		{"at_least_one_of", `{"at_least_one_of":["a","r.x"]}`, []string{`{"a":"1"}`, `{"r":{"x":"1"}}`}, map[string]string{
			`{}`: "missing-field  @entity", `{"a":null}`: "missing-field  @entity", `{"a":""}`: "missing-field  @entity; bad-value a a",
		}},
		{"only_one_of", `{"only_one_of":["a","b"]}`, []string{`{"a":"1"}`}, map[string]string{`{}`: "bad-value  @entity",
			`{"a":"1","b":"2"}`: "bad-value  @entity"}},
		{"mutually_exclusive", `{"mutually_exclusive":["a","b"]}`, []string{`{}`, `{"a":"1"}`}, map[string]string{
			`{"a":"1","b":"2"}`: "bad-value  @entity", `{"a":1,"b":"2"}`: "wrong-type a a",
		}},
		{"mutually_required", `{"mutually_required":["a","b"]}`, []string{`{}`, `{"a":"1","b":"2"}`},
			map[string]string{`{"a":"1"}`: "missing-field  @entity"}},
		{"mutually_exclusive_sets", `{"mutually_exclusive_sets":{"set1":["a"],"set2":["b","c"]}}`, []string{`{"b":"1","c":"1"}`, `{"a":"1"}`},
			map[string]string{`{"a":"1","c":"2"}`: "bad-value  @entity"}},
		{"distinct", `{"distinct":["a","b","c"]}`, []string{`{}`, `{"a":"1","b":"2"}`}, map[string]string{
			`{"a":"1","c":"1"}`: "bad-value  @entity", `{"a":1,"c":1}`: "wrong-type a a; wrong-type c c",
		}},
		{"conditional requires", `{"conditional":{"if_field":"a","if_match":{"match":"^on$"},"then_field":"b","then_match":{"required":true}}}`,
			[]string{`{}`, `{"a":"off"}`, `{"a":"on","b":"x"}`}, map[string]string{`{"a":"on"}`: "missing-field  @entity; missing-field b b"}},
		{"conditional forbids", `{"conditional":{"if_field":"a","if_match":{"one_of":["on"]},"then_field":"b","then_match":{"eq":null}}}`,
			[]string{`{"b":"x"}`, `{"a":"on"}`}, map[string]string{`{"a":"on","b":"x"}`: "bad-value  @entity; bad-value b b"}},
		{"conditional on a nested default",
			`{"conditional":{"if_field":"r.y","if_match":{"eq":7},"then_field":"r.x","then_match":{"required":true}}}`,
			[]string{`{"r":{"x":"1"}}`, `{"r":{"y":8}}`}, map[string]string{`{}`: "missing-field  @entity; missing-field r.x r.x"}},
		{"conditional on a record that is not there",
			`{"conditional":{"if_field":"s.x","if_match":{"eq":"d"},"then_field":"a","then_match":{"required":true}}}`,
			[]string{`{}`}, map[string]string{`{"s":{}}`: "missing-field  @entity; missing-field a a"}},
		{"conditional adds to the field's own rules",
			`{"conditional":{"if_field":"n","if_match":{"gt":0},"then_field":"list","then_match":{"contains":"exp"}}}`,
			[]string{`{}`, `{"n":1,"list":["exp"]}`, `{"n":1}`}, map[string]string{
				`{"n":1,"list":["nbf"]}`: "bad-value  @entity; bad-value list list"}},
		{"conditional keeps what was said of a field",
			`{"conditional":{"if_field":"a","if_match":{"eq":"on"},"then_field":"b","then_match":{"required":true}}}`,
			nil, map[string]string{`{"a":"on","b":1}`: "bad-value  @entity; wrong-type b b"}},
		{"conditional on elements",
			`{"conditional":{"if_field":"list","if_match":{"elements":{"type":"string","not_one_of":["tls"]}},"then_field":"b",` +
				`"then_match":{"len_eq":0}}}`,
			[]string{`{"list":["http","tls"],"b":"x"}`, `{"list":["http"]}`}, map[string]string{
				`{"list":["http"],"b":"x"}`: "bad-value  @entity; bad-value b b"}},
		{"conditional_at_least_one_of",
			`{"conditional_at_least_one_of":{"if_field":"a","if_match":{"one_of":["on"]},"then_at_least_one_of":["b","c"],"then_err":"must set %s",
			"else_match":{"one_of":["off"]},"else_then_at_least_one_of":["c"]}}`,
			[]string{`{}`, `{"a":"on","c":"1"}`, `{"a":"off","c":"1"}`, `{"a":"other"}`},
			map[string]string{`{"a":"on"}`: "missing-field  @entity", `{"a":"off","b":"1"}`: "missing-field  @entity"}},
		{"custom checks of others are skipped", `{"custom_entity_check":{"field_sources":["a"]}}`, []string{`{}`, `{"a":"x"}`}, nil},
		{"checks that are not known are skipped", `{"newer_check":{"a":"b"}}`, []string{`{}`}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle(t, abc, c.check)
			for _, entity := range c.good {
				if errs := verdict(t, b, "thing", object(t, entity)); len(errs) > 0 {
					t.Errorf("%s is refused: %v", entity, errs)
				}
			}
			for entity, want := range c.bad {
				if got := strings.Join(told(verdict(t, b, "thing", object(t, entity))), "; "); got != want {
					t.Errorf("%s: got %q, want %q", entity, got, want)
				}
			}
		})
	}
}

func TestConditionsSpeakTheSchemasWords(t *testing.T) {
	b := bundle(t, `{"a":{"type":"string"}},{"b":{"type":"string"}},{"c":{"type":"string"}}`,
		`{"conditional":{"if_field":"a","if_match":{"eq":"1"},"then_field":"b","then_match":{"eq":"2"},"then_err":"a wants b"}},
		{"conditional_at_least_one_of":{"if_field":"a","if_match":{"eq":"3"},"then_at_least_one_of":["b","c"],"then_err":"must set %s for it"}}`)
	for entity, want := range map[string]string{`{"a":"1","b":"x"}`: "a wants b", `{"a":"3"}`: "must set one of 'b', 'c' for it"} {
		if errs := verdict(t, b, "thing", object(t, entity)); len(errs) == 0 || errs[0].Message != want {
			t.Errorf("%s: got %v, want %q", entity, errs, want)
		}
	}
}

func TestChecksOfNestedRecordsAreOfTheirPlace(t *testing.T) {
	b := bundle(t,
		`{"sources":{"type":"set","elements":{"type":"record","fields":[{"ip":{"type":"string"}},{"port":{"type":"integer"}}],`+
			`"entity_checks":[{"at_least_one_of":["ip","port"]}]}}}`, "")
	errs := verdict(t, b, "thing", object(t, `{"sources":[{"ip":"1.2.3.4"},{}]}`))
	if diff := cmp.Diff([]string{"missing-field sources.2 sources[1]@entity"}, told(errs)); diff != "" {
		t.Error(diff)
	}
}

func TestShorthands(t *testing.T) {
	const config = `{"config":{"type":"record","required":true,
		"fields":[{"policy":{"type":"string","default":"local"}},{"redis":{"type":"record","required":true,` +
		`"fields":[{"host":{"type":"string"}},{"port":{"type":"integer","default":6379}}]}}],
		"shorthand_fields":[{"redis_host":{"type":"string","deprecation":{"message":"old","replaced_with":[{"path":["redis","host"]}]}}},` +
		`{"lifetime":{"type":"number"}}]}}`
	const check = `{"conditional":{"if_field":"config.policy","if_match":{"eq":"redis"},"then_field":"config.redis.host",` +
		`"then_match":{"required":true}}}`
	b := bundle(t, config, check)
	for entity, want := range map[string]string{
		`{"config":{"policy":"redis","redis_host":"h"}}`:     "",
		`{"config":{"policy":"redis","redis":{"host":"h"}}}`: "",
		`{"config":{"policy":"redis"}}`: "missing-field  @entity; missing-field config.redis.host " +
			"config.redis.host",
		`{"config":{"redis_host":1}}`:                                       "wrong-type config.redis_host config.redis_host",
		`{"config":{"lifetime":5}}`:                                         "",
		`{"config":{"lifetime":"5"}}`:                                       "wrong-type config.lifetime config.lifetime",
		`{"config":{"redis_hots":"h"}}`:                                     "unknown-field config.redis_hots config.redis_hots",
		`{"config":{"policy":"redis","redis_host":"h","redis":{"port":1}}}`: "",
	} {
		if got := strings.Join(told(verdict(t, b, "thing", object(t, entity))), "; "); got != want {
			t.Errorf("%s: got %q, want %q", entity, got, want)
		}
	}
}

func TestUnknownThings(t *testing.T) {
	b := bundle(t, `{"f":{"type":"string"}}`, "")
	for entity, want := range map[string]string{
		`{"g":1}`:                           "unknown-field g g",
		`{"g":null}`:                        "unknown-field g g",
		`{"_comment":"x","_ignore":[true]}`: "",
	} {
		if got := strings.Join(told(verdict(t, b, "thing", object(t, entity))), "; "); got != want {
			t.Errorf("%s: got %q, want %q", entity, got, want)
		}
	}
	if errs := verdict(t, b, "stranger", object(t, `{"g":1}`)); len(errs) > 0 || b.Knows("stranger") || !b.Knows("thing") {
		t.Errorf("a kind that nobody asked about: %v", errs)
	}
	for kind, want := range map[string]string{"consumer_group": "unsupported  @entity", "ai_model": "unsupported  @entity",
		"acl": "unsupported  @entity", "route": "", "consumer_group_consumer": ""} {
		if got := strings.Join(told(verdict(t, b, kind, object(t, `{"name":"x"}`))), "; "); got != want {
			t.Errorf("a kind that the gateway lacks, %s: got %q, want %q", kind, got, want)
		}
	}
	if !b.HasField("thing", "f") || b.HasField("thing", "g") || b.HasField("stranger", "f") {
		t.Error("HasField is wrong")
	}
}

func TestPluginsAndVaults(t *testing.T) {
	b := bundleOf(t, schema.Texts{
		Entities: map[string]json.RawMessage{
			"plugins": json.RawMessage(`{"fields":[{"name":{"type":"string","required":true}},{"config":{"type":"record","abstract":true}},
				{"consumer":{"type":"foreign","reference":"consumers"}},{"protocols":{"type":"set","elements":{"type":"string","one_of":["http",` +
				`"tcp"]}}},{"tags":{"type":"set","elements":{"type":"string"}}}]}`),
			"vaults": json.RawMessage(
				`{"fields":[{"name":{"type":"string","required":true}},{"prefix":{"type":"string","required":true}},{"config":{"type":"record",` +
					`"abstract":true}}]}`),
		},
		Plugins: map[string]json.RawMessage{
			"limits": json.RawMessage(`{"fields":[{"consumer":{"type":"foreign","eq":null,"reference":"consumers"}},
			{"protocols":{"type":"set","elements":{"type":"string","one_of":["http"]}}},
			{"config":{"type":"record","required":true,"fields":[{"minute":{"type":"number","gt":0}},{"name":{"type":"string","required":true}}]}}],
			"entity_checks":[{"at_least_one_of":["config.minute"]}]}`)},
		Vaults: map[string]json.RawMessage{
			"env": json.RawMessage(
				`{"fields":[{"config":{"type":"record","required":true,"fields":[{"prefix":{"type":"string","match":"^%a+$"}}]}}]}`)},
	})
	for _, c := range []struct{ name, kind, entity, want, strict string }{
		{"sound", "plugin", `{"name":"limits","config":{"minute":1,"name":"a"}}`, "", ""},
		{"its own configuration", "plugin", `{"name":"limits","config":{"minute":0,"name":"a","x":1}}`,
			"bad-value config.minute config.minute; unknown-field config.x config.x", "="},
		{"no configuration is an empty one", "plugin", `{"name":"limits"}`, "missing-field  @entity; missing-field config.name config.name", "="},
		{"its own protocols", "plugin", `{"name":"limits","config":{"minute":1,"name":"a"},"protocols":["tcp"]}`,
			"bad-value protocols.1 protocols[0]", "="},
		{"a scope that it excludes", "plugin",
			`{"name":"limits","config":{"minute":1,"name":"a"},"consumer":{"id":"7a1f3c52-5d0e-4a6b-9c3d-2f1e0b9a8c7d"}}`,
			"bad-value consumer consumer", "="},
		{"not enabled", "plugin", `{"name":"nosuch","config":{"x":1}}`, "unsupported name name", "="},
		{"without a name", "plugin", `{"config":{"x":1}}`, "missing-field name name", "="},
		{"tags of all kinds", "plugin", `{"name":"limits","config":{"minute":1,"name":"a"},"tags":["a,b"]}`, "bad-value tags.1 tags[0]", "="},
		{"a vault", "vault", `{"name":"env","prefix":"my","config":{"prefix":"1"}}`, "bad-value config.prefix config.prefix", "="},
		{"no such vault", "vault", `{"name":"hcv","prefix":"my"}`, "unsupported name name", "="},
	} {
		entity := object(t, c.entity)
		if got := strings.Join(told(verdict(t, b, c.kind, entity)), "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if c.strict == "=" {
			c.strict = c.want
		}
		if got := strings.Join(told(strictVerdict(t, b, c.kind, entity)), "; "); got != c.strict {
			t.Errorf("%s, strictly: got %q, want %q", c.name, got, c.strict)
		}
	}
	if !slices.Equal(b.Plugins(), []string{"limits"}) || !b.HasPlugin("limits") || b.HasPlugin("env") || !b.HasVault("env") ||
		b.HasVault("limits") {
		t.Error("what the bundle says it has is wrong")
	}
}

func TestCheckLeavesTheEntityAlone(t *testing.T) {
	b := bundleOf(t, known)
	const text = `{"name":"a","url":"https://h:1/p","_comment":"x"}`
	entity := object(t, text)
	verdict(t, b, "service", entity)
	if diff := cmp.Diff(object(t, text), entity); diff != "" {
		t.Error(diff)
	}
}

// What is no schema, and why.
func TestBrokenSchemas(t *testing.T) {
	deep := strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100)
	nested := `{"type":"string"}`
	for range 12 {
		var checks []string
		for range 8 {
			checks = append(checks, `{"conditional":{"if_field":"b","if_match":{},"then_field":"a","then_match":{}}}`)
		}
		nested = `{"type":"record","fields":[{"b":{"type":"string"}},{"a":` + nested + `}],"entity_checks":[` + strings.Join(checks, ",") + `]}`
	}
	for name, text := range map[string]string{
		"not JSON":                   `{"fields":`,
		"two values":                 `{"fields":[]} {}`,
		"not an object":              `[]`,
		"fields are no list":         `{"fields":{"a":{"type":"string"}}}`,
		"two fields in one":          `{"fields":[{"a":{"type":"string"},"b":{"type":"string"}}]}`,
		"a field is text":            `{"fields":[{"a":"string"}]}`,
		"no such type":               `{"fields":[{"a":{"type":"strnig"}}]}`,
		"the type is a number":       `{"fields":[{"a":{"type":1}}]}`,
		"elements are text":          `{"fields":[{"a":{"type":"array","elements":"string"}}]}`,
		"a malformed pattern":        `{"fields":[{"a":{"type":"string","match":"[a"}}]}`,
		"a pattern that is a number": `{"fields":[{"a":{"type":"string","match":1}}]}`,
		"a malformed pattern of any": `{"fields":[{"a":{"type":"string","match_any":{"patterns":["%"]}}}]}`,
		"half of a range":            `{"fields":[{"a":{"type":"integer","between":[1]}}]}`,
		"a range of words":           `{"fields":[{"a":{"type":"integer","between":["a","b"]}}]}`,
		"a length that is text":      `{"fields":[{"a":{"type":"string","len_min":"1"}}]}`,
		"gt is text":                 `{"fields":[{"a":{"type":"number","gt":"1"}}]}`,
		"a check of no fields":       `{"fields":[],"entity_checks":[{"at_least_one_of":[]}]}`,
		"a check of numbers":         `{"fields":[],"entity_checks":[{"only_one_of":[1]}]}`,
		"a condition without fields": `{"fields":[],"entity_checks":[{"conditional":{"if_match":{}}}]}`,
		"a condition without match":  `{"fields":[],"entity_checks":[{"conditional":{"if_field":"a","then_field":"b"}}]}`,
		"a condition of no field":    `{"fields":[],"entity_checks":[{"conditional_at_least_one_of":{"if_match":{}}}]}`,
		"nested too deeply":          `{"fields":[{"a":{"type":"any","default":` + deep + `}}]}`,
		"conditions on conditions":   `{"fields":[{"a":` + nested + `}]}`,
		"too large":                  `{"fields":[],"x":"` + strings.Repeat("x", schema.MaxSize) + `"}`,
	} {
		_, err := schema.New(schema.Texts{Entities: map[string]json.RawMessage{"things": json.RawMessage(text)}})
		if !errors.Is(err, schema.ErrBundle) {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
		if errors.Is(err, schema.ErrTooLarge) != (name == "too large") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
