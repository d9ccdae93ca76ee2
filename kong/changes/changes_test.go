package changes_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/kong/changes"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/schema"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// canonical compiles a configuration as a submission would be.
func canonical(t testing.TB, text string) []byte {
	t.Helper()
	c := compile.New(compile.DefaultLimits())
	fragment, problems := c.Read([]compile.Document{{Name: "kong.yaml", Content: []byte(text)}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"default": fragment})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	sealed, err := snapshot.Seal(result.Entities)
	if err != nil {
		t.Fatal(err)
	}
	return sealed.Canonical()
}

func compare(t testing.TB, gateways []changes.Schemas, old, now string) changes.List {
	t.Helper()
	var before []byte
	if old != "" {
		before = canonical(t, old)
	}
	list, err := changes.Compare(compile.New(compile.DefaultLimits()).Kinds(), gateways, before, canonical(t, now), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// told writes changes as lines.
func told(list changes.List) (lines []string) {
	for _, c := range list.Changes {
		lines = append(lines, string(c.Op)+" "+c.Title)
		for _, f := range c.Fields {
			line := "  " + f.Path + ": " + string(f.Old) + " -> " + string(f.New)
			if f.Secret {
				line = "  " + f.Path + ": hidden"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// kong is a gateway whose plugins have fields of every make.
func kong(t testing.TB) *schema.Bundle {
	t.Helper()
	config := func(fields string) json.RawMessage {
		return json.RawMessage(`{"fields":[{"config":{"type":"record","required":true,"fields":[` + fields + `]}}]}`)
	}
	b, err := schema.New(schema.Texts{
		KongVersion: "3.9.3",
		Entities: map[string]json.RawMessage{
			"plugins": json.RawMessage(
				`{"fields":[{"name":{"type":"string"}},{"enabled":{"type":"boolean"}},{"config":{"type":"record","abstract":true}}]}`),
			"vaults": json.RawMessage(
				`{"fields":[{"name":{"type":"string"}},{"prefix":{"type":"string"}},{"config":{"type":"record","abstract":true}}]}`),
		},
		Plugins: map[string]json.RawMessage{
			"rate-limiting": config(`{"minute":{"type":"number"}},{"policy":{"type":"string"}},
				{"redis":{"type":"record","fields":[{"host":{"type":"string"}},{"password":{"type":"string","encrypted":true}}]}},
				{"headers":{"type":"map","keys":{"type":"string"},"values":{"type":"string","referenceable":true}}},
				{"notes":{"type":"map","keys":{"type":"string"},"values":{"type":"string"}}},
				{"secret_keys":{"type":"map","keys":{"type":"string","encrypted":true},"values":{"type":"integer"}}},
				{"keys":{"type":"array","elements":{"type":"string","encrypted":true}}},
				{"logins":{"type":"array","elements":{"type":"record","fields":[{"user":{"type":"string"}},{"pin":{"type":"string",` +
				`"encrypted":true}}]}}},
				{"whole":{"type":"record","encrypted":true,"fields":[{"inner":{"type":"string"}}]}},
				{"address":{"type":"string"}},{"anything":{"type":"any"}},{"plain_token":{"type":"string"}},
				{"add":{"type":"record","fields":[{"headers":{"type":"array","elements":{"type":"string"}}}]}}`),
		},
		Vaults: map[string]json.RawMessage{"env": config(`{"prefix":{"type":"string"}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChangesNameEntitiesByTheirParentsAndShowValues(t *testing.T) {
	const head = "_format_version: \"3.0\"\n"
	old := head + `services:
- name: orders
  host: orders.internal
  routes:
  - {id: 5fb1f1f2-0000-4000-8000-000000000001, paths: [/a], hosts: [b], methods: [GET]}
  plugins: [{name: rate-limiting, config: {minute: 5, policy: local}}]
- name: users
  host: users.internal
  plugins: [{name: rate-limiting, config: {minute: 5}}]
`
	now := head + `services:
- name: orders
  host: orders.internal
  routes:
  - id: 5fb1f1f2-0000-4000-8000-000000000001
    paths: [/a, /b]
    hosts: [b]
    methods: [GET]
    plugins: [{name: rate-limiting, config: {minute: 1}}]
  plugins: [{name: rate-limiting, config: {minute: 7, policy: local}}]
- name: users
  host: people.internal
plugins: [{name: rate-limiting, config: {minute: 100}}]
consumers:
- username: alice
  keyauth_credentials: [{key: planted-1}]
`
	got := told(compare(t, []changes.Schemas{kong(t)}, old, now))
	want := []string{
		`added consumer alice`,
		`added key-auth credential of consumer alice`,
		`  key: hidden`,
		`added plugin rate-limiting of every request`,
		`  config.minute:  -> 100`,
		`added plugin rate-limiting of route (GET /a and 1 more, host b) of service orders`,
		`  config.minute:  -> 1`,
		`changed plugin rate-limiting of service orders`,
		`  config.minute: 5 -> 7`,
		`removed plugin rate-limiting of service users`,
		`  config.minute: 5 -> `,
		`changed route (GET /a and 1 more, host b) of service orders`,
		`  paths: ["/a"] -> ["/a","/b"]`,
		`changed service users`,
		`  host: "users.internal" -> "people.internal"`,
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// pem makes a text that has the form of a key, and names the case.
func pem(body string) string {
	return "-----BEGIN PRIVATE KEY-----\n" + body + "\n-----END PRIVATE KEY-----\n"
}

// TestNoSecretLeaves: a secret in every kind of place is planted, added, changed and taken away, and no part of any is told.
func TestNoSecretLeaves(t *testing.T) {
	plugin := func(config string) string {
		return "plugins: [{name: rate-limiting, config: {minute: 1, " + config + "}}]"
	}
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for name, write := range map[string]func(secret string) string{
		"a credential's key": func(s string) string { return "consumers: [{username: a, keyauth_credentials: [{key: " + s + "}]}]" },
		"a password": func(s string) string {
			return "consumers: [{username: a, basicauth_credentials: [{username: u, password: " + s + "}]}]"
		},
		"an hmac secret": func(s string) string {
			return "consumers: [{username: a, hmacauth_credentials: [{username: u, secret: " + s + "}]}]"
		},
		"a jwt secret": func(s string) string {
			return "consumers: [{username: a, jwt_secrets: [{key: k" + s + ", secret: " + s + "}]}]"
		},
		"an oauth2 client": func(s string) string {
			return "consumers: [{username: a, oauth2_credentials: [{name: n, client_id: i" + s + ", client_secret: " + s + "}]}]"
		},
		"a jwk": func(s string) string {
			return "keys: [{name: k, kid: k, jwk: " + quoted(`{"kty":"RSA","kid":"k","d":"`+s+`"}`) + "}]"
		},
		"a key's pem":              func(s string) string { return "keys: [{name: k, kid: k, pem: {private_key: " + quoted(pem(s)) + "}}]" },
		"a field of a record":      func(s string) string { return plugin("redis: {host: h, password: " + s + "}") },
		"a value of a map":         func(s string) string { return plugin("headers: {X-Any: " + s + "}") },
		"a telling name in a map":  func(s string) string { return plugin("notes: {Authorization: " + s + "}") },
		"a key of a map":           func(s string) string { return plugin("secret_keys: {" + s + ": 1}") },
		"an element of a list":     func(s string) string { return plugin("keys: [a, " + s + "]") },
		"a record in a list":       func(s string) string { return plugin("logins: [{user: u, pin: " + s + "}]") },
		"within a marked record":   func(s string) string { return plugin("whole: {inner: " + s + "}") },
		"an unknown field":         func(s string) string { return plugin("other: " + s) },
		"within an unknown field":  func(s string) string { return plugin("other: {" + s + ": [{x: " + s + "}]}") },
		"a field of any type":      func(s string) string { return plugin("anything: {" + s + ": " + s + "}") },
		"a value of another type":  func(s string) string { return plugin("minute2: 1, policy: {deep: " + s + "}") },
		"a list for a scalar":      func(s string) string { return plugin("policy: [" + s + "]") },
		"a password in an address": func(s string) string { return plugin("address: " + quoted("https://user:"+s+"@host/")) },
		"a telling name":           func(s string) string { return plugin("plain_token: " + s) },
		"a header to add":          func(s string) string { return plugin("add: {headers: [" + quoted("X-Env: "+s) + "]}") },
		"an unknown plugin": func(s string) string {
			return "plugins: [{name: mine, config: {minute: " + s + ", deep: {" + s + ": " + s + "}}}]"
		},
		"a vault's token": func(s string) string {
			return "vaults: [{name: env, prefix: vp, config: {prefix: x, token: " + s + "}}]"
		},
		"an unknown vault":    func(s string) string { return "vaults: [{name: hcv, prefix: vp, config: {host: " + s + "}}]" },
		"a header of a route": func(s string) string { return "routes: [{name: r, paths: [/], headers: {Authorization: [" + s + "]}}]" },
		"a header of a probe": func(s string) string {
			return "upstreams: [{name: u, healthchecks: {active: {headers: {X-Any: [" + s + "]}}}}]"
		},
		"a filter": func(s string) string {
			return "services: [{name: a, host: h, filter_chains: [{filters: [{name: f, config: {x: " + s + "}}]}]}]"
		},
	} {
		t.Run(name, func(t *testing.T) {
			const one, two = "zq7planted1", "zq8planted2"
			of := func(s string) string { return "_format_version: \"3.0\"\n" + write(s) }
			for _, gateways := range [][]changes.Schemas{nil, {kong(t)}, {kong(t), kong(t)}} {
				for _, step := range [][2]string{{"", of(one)}, {of(one), of(two)}, {of(two), "_format_version: \"3.0\"\n"}} {
					list := compare(t, gateways, step[0], step[1])
					if list.Added+list.Changed+list.Removed == 0 {
						t.Fatal("nothing changed")
					}
					hidden := false
					for _, c := range list.Changes {
						for _, f := range c.Fields {
							hidden = hidden || f.Secret
						}
					}
					if text := fmt.Sprintf("%s %s", told(list), everything(t, list)); strings.Contains(text, "planted") || strings.Contains(text, "zq7") {
						t.Errorf("told: %s", strings.Join(told(list), "\n"))
					} else if !hidden {
						t.Errorf("not told to have changed: %s", strings.Join(told(list), "\n"))
					}
				}
			}
		})
	}
}

// everything is a list as it would be encoded.
func everything(t *testing.T, list changes.List) []byte {
	t.Helper()
	for i := range list.Changes {
		for j := range list.Changes[i].Fields {
			if f := &list.Changes[i].Fields[j]; f.Secret && (f.Old != nil || f.New != nil) {
				t.Errorf("%s has a value and is secret", f.Path)
			}
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOpenValuesAreShown(t *testing.T) {
	got := told(compare(t, []changes.Schemas{kong(t)}, "", `_format_version: "3.0"
plugins: [{name: rate-limiting, config: {minute: 1, redis: {host: h, password: "{vault://env/pw}"}, notes: {x: y}}}]
vaults: [{name: env, prefix: vp, config: {prefix: x}}]
`))
	want := []string{
		"added plugin rate-limiting of every request",
		"  config.minute:  -> 1",
		`  config.notes.x:  -> "y"`,
		`  config.redis.host:  -> "h"`,
		`  config.redis.password:  -> "{vault://env/pw}"`,
		"added vault vp", `  config.prefix:  -> "x"`, `  name:  -> "env"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// One kind of gateway that marks a field is enough: it may be the one that knows.
func TestTheStrictestSchemaDecides(t *testing.T) {
	lax, err := schema.New(schema.Texts{KongVersion: "3.4.2", Plugins: map[string]json.RawMessage{
		"rate-limiting": json.RawMessage(
			`{"fields":[{"config":{"type":"record","fields":[{"redis":{"type":"record","fields":[{"password":{"type":"integer"}}]}},` +
				`{"new":{"type":"string"}},
			{"whole":{"type":"map","keys":{"type":"string"},"values":{"type":"integer"}}}]}}]}`)},
		Entities: map[string]json.RawMessage{"plugins": json.RawMessage(`{"fields":[{"name":{"type":"string"}}]}`)}})
	if err != nil {
		t.Fatal(err)
	}
	now := `_format_version: "3.0"
plugins: [{name: rate-limiting, config: {redis: {password: 4711}, new: seen, whole: {n4me: 4712}}}]
`
	for _, gateways := range [][]changes.Schemas{{lax, kong(t)}, {kong(t), lax}} {
		got := strings.Join(told(compare(t, gateways, "", now)), "\n")
		if strings.Contains(got, "471") || strings.Contains(got, "n4me") || !strings.Contains(got, "seen") {
			t.Error(got)
		}
	}
}

func TestEntitiesOfOneTitleAreToldApart(t *testing.T) {
	list := compare(t, nil, "", `_format_version: "3.0"
consumers: [{username: a, keyauth_credentials: [{key: planted-1}, {key: planted-2}]}]
`)
	titles := map[string]bool{}
	for _, c := range list.Changes {
		titles[c.Title] = true
	}
	if len(list.Changes) != 3 || len(titles) != 3 || !titles["consumer a"] {
		t.Errorf("%v", titles)
	}
}

func TestManyChangesAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("_format_version: \"3.0\"\nservices:\n")
	long := strings.Repeat("x", changes.MaxValue+1)
	for i := range 10_000 {
		fmt.Fprintf(&text, "- {name: s%05d, host: h%d}\n", i, i)
	}
	fmt.Fprintf(&text, "plugins: [{name: rate-limiting, config: {policy: %s}}]\n", long)
	list := compare(t, []changes.Schemas{kong(t)}, "", text.String())
	if list.Added != 10_001 || len(list.Changes) != 1000 {
		t.Errorf("%d added, %d told", list.Added, len(list.Changes))
	}
	for _, f := range list.Changes[0].Fields {
		if f.Path == "config.policy" && (!f.TooLong || f.New != nil) {
			t.Errorf("a value of %d bytes is told", len(f.New))
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	var old, now strings.Builder
	for i, w := range []*strings.Builder{&old, &now} {
		w.WriteString("_format_version: \"3.0\"\nservices:\n")
		for n := range 10_000 {
			fmt.Fprintf(w, "- {name: s%05d, host: h%d, routes: [{paths: [/p%d], plugins: [{name: rate-limiting, config: {minute: %d}}]}]}\n", n, n,
				n, 1+i)
		}
	}
	before, after := canonical(b, old.String()), canonical(b, now.String())
	kinds, gateways := compile.New(compile.DefaultLimits()).Kinds(), []changes.Schemas{kong(b)}
	b.ReportAllocs()
	for b.Loop() {
		if list, err := changes.Compare(kinds, gateways, before, after, 100_000); err != nil || list.Changed != 10_000 {
			b.Fatal(list.Changed, err)
		}
	}
}
