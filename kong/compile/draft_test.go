package compile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// explain tells all that is wrong with a source, as a submission is answered: of the source "main", beside what other sources say.
func explain(t *testing.T, validators []compile.Validator, docs []compile.Document, others map[compile.SourceID]string) []compile.Problem {
	t.Helper()
	c := compile.New(compile.DefaultLimits())
	f, problems := c.Read(docs)
	if f == nil {
		return problems
	}
	fragments := map[compile.SourceID]*compile.Fragment{"main": f}
	for name, text := range others {
		fragments[name] = parse(t, c, string(name)+".yaml", text)
	}
	draft, more := c.Draft(fragments)
	v, err := draft.Validate(t.Context(), "main", validators)
	if err != nil {
		t.Fatal(err)
	}
	c.Locate(docs, v.Problems)
	all := slices.Concat(problems, more, v.Problems)
	for i := range all {
		if all[i].Source == "main" {
			all[i].Source = ""
		}
	}
	return compile.Ordered(all)
}

func brief(problems []compile.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s%s:%d %s %s\n", p.Source, p.Document, p.Line, strings.Join(strings.Fields(p.Kind+" "+p.Name+" "+p.Field), " "),
			p.Class)
	}
	return b.String()
}

// everyProblem are files, all but their first line, and all that is wrong with them, as structure shows it: each mistake once.
var everyProblem = []struct{ name, text, want string }{
	{"unknown references beside values", `routes:
- {name: r1, service: nosuch, paths: [a], tags: x}
plugins:
- {name: request-size-limiting, consumer: nosuch, enabled: 5}
`, `
a.yaml:3 route r1 service dangling-reference
a.yaml:3 route r1 paths[0] bad-value
a.yaml:3 route r1 tags wrong-type
a.yaml:5 plugin request-size-limiting consumer dangling-reference
a.yaml:5 plugin request-size-limiting enabled wrong-type
`},
	{"a name that is wrong is still what others refer to", `services:
- {name: 5, host: h}
- {name: a b, host: h, port: x}
- {naem: c, host: h}
- {name: d, id: nope, host: h}
routes:
- {name: r1, service: "5", paths: [/a]}
- {name: r2, service: a b, paths: [/a]}
- {name: r3, service: c, paths: [/a]}
- {name: r4, service: nope, paths: [/a]}
- {name: r5, service: nosuch, paths: [/a]}
`, `
a.yaml:3 service name wrong-type
a.yaml:4 service a b name bad-value
a.yaml:4 service a b port wrong-type
a.yaml:5 service naem unknown-field
a.yaml:6 service d id bad-value
a.yaml:12 route r5 service dangling-reference
`},
	{"what could not be read may be what others refer to", `services: 5
servces: []
upstream:
- {name: u}
targets:
- {upstream: u, target: 'h:1'}
routes:
- {name: r, service: a, paths: [/a]}
plugins:
- {name: request-size-limiting, service: a, consumer: nosuch}
`, `
a.yaml:2 service services wrong-type
a.yaml:3  unknown-field
a.yaml:4  unknown-field
a.yaml:11 plugin request-size-limiting consumer dangling-reference
`},
	{"duplicates beside values, and nothing of what is nested in them", `services:
- {name: a, host: h, plugins: [{name: cors}, {name: cors}]}
- {name: a, host: h, port: 99999, plugins: [{name: cors, tags: x}]}
consumers:
- {username: c, acls: [{group: g}, {group: g}], keyauth_credentials: [{key: k}, {key: k}, {}]}
- {username: c, acls: [{group: g}]}
`, `
a.yaml:3 plugin cors duplicate
a.yaml:4 service a name duplicate
a.yaml:4 service a port bad-value
a.yaml:4 plugin cors tags wrong-type
a.yaml:6 acl g duplicate
a.yaml:6 keyauth_credential key duplicate
a.yaml:6 keyauth_credential key missing-field
a.yaml:7 consumer c username duplicate
`},
	{"keys that are wrong are not equal", `services:
- {name: a, host: h, plugins: [{name: 5}, {name: 6}, {}, {}]}
`, `
a.yaml:3 plugin name wrong-type
a.yaml:3 plugin name wrong-type
a.yaml:3 plugin name missing-field
a.yaml:3 plugin name missing-field
`},
	{"a mistyped field is not missing as well", `services:
- {name: a, hots: h}
- {name: b, ulr: 'http://h'}
upstreams:
- {name: u, hash_on: header, hash_on_heder: x}
consumers:
- {usrname: c, keyauth_credentials: [{kye: k}]}
routes:
- {name: r, pahts: [/a]}
`, `
a.yaml:3 service a hots unknown-field
a.yaml:4 service b ulr unknown-field
a.yaml:6 upstream u hash_on_heder unknown-field
a.yaml:8 consumer usrname unknown-field
a.yaml:8 keyauth_credential kye unknown-field
a.yaml:10 route r pahts unknown-field
`},
	{"protocols of routes and services", `services:
- {name: t, host: h, protocol: tcp, path: /x, routes: [{name: t1, protocols: [tcp], paths: [/x]}, {name: t2, protocols: ` +
		`[tls_passthrough], tags: x}]}
- {name: u, host: h, routes: [{name: u1, protocols: [tcp, http]}, {name: u2, protocols: [http], snis: [a.test]}, {name: u3, protocols: ` +
		`[nope]}]}
- {name: v, host: h, protocol: nope, tls_verify: true, routes: [{name: v1, protocols: [grpc], methods: [GET], paths: [x], strip_path: ` +
		`true}]}
- {name: w, host: h, tls_verify: true, retries: -1, routes: [{name: w1, protocols: [udp], sources: 5}, {name: w2, hosts: 5}]}
`, `
a.yaml:3 service t path bad-value
a.yaml:3 route t1 missing-field
a.yaml:3 route t1 paths bad-value
a.yaml:3 route t2 missing-field
a.yaml:3 route t2 tags wrong-type
a.yaml:4 route u1 protocols bad-value
a.yaml:4 route u2 missing-field
a.yaml:4 route u2 snis bad-value
a.yaml:4 route u3 protocols[0] bad-value
a.yaml:5 service v protocol bad-value
a.yaml:5 route v1 methods bad-value
a.yaml:5 route v1 paths[0] bad-value
a.yaml:5 route v1 strip_path bad-value
a.yaml:6 service w tls_verify bad-value
a.yaml:6 service w retries bad-value
a.yaml:6 route w1 sources wrong-type
a.yaml:6 route w2 hosts wrong-type
`},
	{"a wrong url says nothing of its fields", `services:
- {name: a, url: nonsense, tls_verify: true, retries: -1}
`, `
a.yaml:3 service a url bad-value
a.yaml:3 service a retries bad-value
`},
}

// TestEveryProblemInOneAnswer, and each mistake once.
func TestEveryProblemInOneAnswer(t *testing.T) {
	for _, tc := range everyProblem {
		got := brief(explain(t, nil, []compile.Document{{Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\n" + tc.text)}}, nil))
		if want := strings.TrimPrefix(tc.want, "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, want)
		}
	}
}

// TestEveryProblemOfSeveralFiles: a file that cannot be read hides nothing in the others, and what it may hold is not missed in them.
func TestEveryProblemOfSeveralFiles(t *testing.T) {
	const head = "_format_version: \"3.0\"\n"
	docs := func(texts ...string) (all []compile.Document) {
		for i, text := range texts {
			all = append(all, compile.Document{Name: string(rune('a'+i)) + ".yaml", Content: []byte(text)})
		}
		return all
	}
	others := map[compile.SourceID]string{
		"aside": head + "services:\n- {name: taken, host: h}\nplugins:\n- {name: cors, service: mine}\n",
	}
	for _, tc := range []struct {
		name string
		docs []compile.Document
		want string
	}{
		{"a syntax error, a value, a reference", docs(head+"services: [", head+"routes:\n- {name: r, service: s, paths: [a]}\n"),
			"a.yaml:2  syntax\nb.yaml:3 route r paths[0] bad-value\n"},
		{"another version", docs(head+"services:\n- {name: mine, host: h}\n",
			"_format_version: \"1.1\"\nroutes:\n- {name: r, service: nosuch, paths: [a]}\n"),
			"b.yaml:1 _format_version version\nb.yaml:3 route r service dangling-reference\nb.yaml:3 route r paths[0] bad-value\n"},
		{"a template, a value", docs(head+"services:\n- {name: ${{ env \"DECK_A\" }}, host: h}\n", head+
			"routes:\n- {name: r, service: s, paths: [a]}\n"),
			"a.yaml:3  env\nb.yaml:3 route r paths[0] bad-value\n"},
		{"two sources", docs(head + "services:\n- {name: mine, host: h, port: x}\n- {name: taken, host: h, retries: x}\n"),
			"a.yaml:3 service mine port wrong-type\na.yaml:4 service taken name conflict\na.yaml:4 service taken retries wrong-type\n"},
		{"another source refers to what is gone", docs(head + "services:\n- {name: yours, host: h, port: x}\n"),
			"a.yaml:3 service yours port wrong-type\nasideaside.yaml:5 plugin cors service dangling-reference\n"},
		{"another source refers to what cannot be read", docs(head + "services:\n- 5\n- {name: yours, host: h, port: x}\n"),
			"a.yaml:3 service services[0] wrong-type\na.yaml:4 service yours port wrong-type\n"},
	} {
		got := brief(explain(t, nil, tc.docs, others))
		if tc.name != "two sources" { // what that source lacks is asked above
			got = strings.ReplaceAll(got, "asideaside.yaml:5 plugin cors service dangling-reference\n", map[bool]string{
				true: "asideaside.yaml:5 plugin cors service dangling-reference\n"}[strings.Contains(tc.want, "aside")])
		}
		if got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

// TestEveryProblemOfSchemas: what the gateways' schemas refuse is in the answer as well, unless it comes of what is told already.
func TestEveryProblemOfSchemas(t *testing.T) {
	validators := []compile.Validator{recorded(t)}
	for _, tc := range append(everyProblem[:len(everyProblem):len(everyProblem)], []struct{ name, text, want string }{
		{"plugins beside entities", `services:
- name: a
  host: h
  tags: x
  plugins:
  - name: rate-limiting
    config: {minute: x, policy: redis} # without a host
  - name: key-auth
    confg: {key_names: [a]}
  - name: http-log
    confg: {http_endpoint: 'http://a'}
  - name: nosuch
  - {name: acl, tags: 5, config: {allow: [a], deny: [b], hide_groups_header: 5}}
routes:
- {name: r, service: nosuch, paths: [/a], plugins: [{name: cors, config: {max_age: x}}]}
`, `
a.yaml:5 service a tags wrong-type
a.yaml:8 plugin rate-limiting config.redis.host missing-field
a.yaml:8 plugin rate-limiting config.minute wrong-type
a.yaml:10 plugin key-auth confg unknown-field
a.yaml:12 plugin http-log confg unknown-field
a.yaml:13 plugin nosuch name unsupported
a.yaml:14 plugin acl bad-value
a.yaml:14 plugin acl tags wrong-type
a.yaml:14 plugin acl config.hide_groups_header wrong-type
a.yaml:16 route r service dangling-reference
a.yaml:16 plugin cors config.max_age wrong-type
`},
		{"a grpc service with a path", `services:
- {name: g, host: h, protocol: grpc, path: /x, routes: [{name: g1, protocols: [grpc], hosts: [h], strip_path: true}]}
- {name: w, host: h, protocol: ws, routes: [{name: w1, protocols: [ws], hosts: [h]}]}
`, `
a.yaml:3 service g path bad-value
a.yaml:3 route g1 strip_path bad-value
a.yaml:4 service w protocol bad-value
a.yaml:4 route w1 protocols bad-value
`},
	}...) {
		got := brief(explain(t, validators, []compile.Document{{Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\n" + tc.text)}}, nil))
		if want := strings.TrimPrefix(tc.want, "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, want)
		}
	}
}

// TestReportedProtocols explains two files of which some mistakes were hidden by others.
func TestReportedProtocols(t *testing.T) {
	validators := []compile.Validator{recorded(t)}
	for name, want := range map[string]string{
		"26-proto.yaml": `
26-proto.yaml:3 service g1 path bad-value
26-proto.yaml:3 route g1r strip_path bad-value
26-proto.yaml:5 service w1 protocol bad-value
26-proto.yaml:5 route w1r protocols bad-value
26-proto.yaml:6 route t2r protocols bad-value
26-proto.yaml:6 route t3r missing-field
26-proto.yaml:8 service s1 protocol bad-value
`,
		"26b-proto.yaml": `
26b-proto.yaml:3 service g1 path bad-value
26b-proto.yaml:4 service w1 protocol bad-value
26b-proto.yaml:4 route w1r protocols bad-value
26b-proto.yaml:5 service s1 protocol bad-value
`,
		"31-badurl.yaml":          "\n31-badurl.yaml:4 service v url bad-value\n",
		"27-url-protocol.yaml":    "\n",
		"21b-dbexport-basic.yaml": "\n",
	} {
		text := shared.Read(t, "cases", name)
		if got := "\n" + brief(explain(t, validators, []compile.Document{{Name: name, Content: text}}, nil)); got != want {
			t.Errorf("%s: got %s\nwant %s", name, got, want)
		}
	}
}
