package parity_test

import (
	"crypto/sha1" //nolint:gosec // as Kong does
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/kong/parity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

const head = "_format_version: \"3.0\"\n"

func read(t *testing.T, text string) *parity.Configuration {
	t.Helper()
	c, err := parity.Read("kong.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return c
}

func compare(t *testing.T, theirs, ours string, schemas *schema.Bundle) parity.Report {
	t.Helper()
	report, err := parity.Compare(read(t, theirs), read(t, ours), schemas)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// lines is what a report tells.
func lines(r parity.Report) (told []string) {
	for _, group := range r.Groups {
		for _, c := range group.Changes {
			told = append(told, fmt.Sprintf("%s: %s %s", group.Object, c.Op, c.Title))
			for _, f := range c.Fields {
				line := fmt.Sprintf("  %s: %s -> %s", f.Path, f.Old, f.New)
				if f.Secret {
					line = "  " + f.Path + ": hidden"
				}
				told = append(told, line)
			}
		}
	}
	return told
}

// dump wraps a configuration as Kong Ingress Controller's diagnostics server does.
func dump(yaml string) string {
	return "hash: abc\nconfig:\n  " + strings.ReplaceAll(head+yaml, "\n", "\n  ") + "\n"
}

// served wraps a configuration as a gateway does.
func served(yaml string) string {
	text, _ := json.Marshal(map[string]string{"config": "_format_version: '3.0'\n_transform: false\n" + yaml})
	return string(text)
}

func TestWhatDoesNotMatter(t *testing.T) {
	hash := sha1.Sum([]byte("s3cret" + "c-1")) //nolint:gosec // as Kong does
	for name, tt := range map[string]struct{ theirs, ours string }{
		"the order of entities and of sets": {
			head + "services:\n- {name: a, host: h, tags: [x, y]}\n" +
				"- {name: b, host: h, routes: [{name: r, paths: [/a, /b], methods: [GET, PUT]}]}\n",
			head + "services:\n- {name: b, host: h, routes: [{name: r, paths: [/b, /a], methods: [PUT, GET]}]}\n" +
				"- {name: a, host: h, tags: [y, x]}\n",
		},
		"Kong's defaults": {
			served("services:\n- {id: s-1, name: a, host: h, port: 80, retries: 5, path: ~, tags: ~, " +
				"created_at: 1, enabled: true, ca_certificates: ~}\n" +
				"upstreams:\n- {id: u-1, name: u, slots: 10000, healthchecks: {threshold: 0, active: {type: http, concurrency: 10}}}\n" +
				"targets:\n- {id: t-1, target: 'h:1', weight: 100, upstream: u-1, tags: ~}\n"),
			head + "services: [{name: a, host: h, protocol: http}]\nupstreams: [{name: u, algorithm: round-robin, targets: [{target: 'h:1'}]}]\n",
		},
		"ids where one side has none": {
			served("routes:\n- {id: r-1, name: r, service: s-1, paths: [/a]}\nservices:\n- {id: s-1, name: a, host: h}\n"),
			head + "services: [{name: a, host: h, routes: [{name: r, paths: [/a]}]}]\n",
		},
		"the UID of an object where one side has none": {
			dump("services: [{name: a, host: h, tags: ['k8s-name:a', 'k8s-uid:1-2']}]"),
			head + "services: [{name: a, host: h, tags: ['k8s-name:a']}]\n",
		},
		"how a certificate is laid out, and its id without a UID": {
			dump("certificates: [{id: c-1, cert: \"C\\n\", key: \"{vault://redacted-value}\", tags: ['k8s-uid:c-1'], snis: [{name: a.test}]}]"),
			head + "certificates: [{id: c-2, cert: C, key: K, snis: [{name: a.test}]}]\n",
		},
		"names of a certificate that a gateway says twice": {
			served("certificates:\n- {id: c-1, cert: C, key: K, snis: [a.test]}\nsnis:\n- {id: n-1, name: a.test, certificate: c-1}\n"),
			head + "certificates: [{id: c-1, cert: C, key: K, snis: [{name: a.test}]}]\n",
		},
		"a password that a gateway hashed": {
			served(fmt.Sprintf("consumers:\n- {id: c-1, username: ann}\n"+
				"basicauth_credentials:\n- {id: b-1, consumer: c-1, username: u, password: %x}\n", hash)),
			head + "consumers: [{id: c-1, username: ann, basicauth_credentials: [{username: u, password: s3cret}]}]\n",
		},
		"a key that a controller hides by its hash": {
			dump(fmt.Sprintf("consumers: [{username: ann, keyauth_credentials: [{key: '%s'}]}]", hidden("s3cret"))),
			head + "consumers: [{username: ann, keyauth_credentials: [{key: s3cret}]}]\n",
		},
		"the form of a membership": {
			dump("consumers: [{username: ann, groups: [{name: gold}]}]\nconsumer_groups: [{name: gold}]"),
			head + "consumers: [{username: ann}]\nconsumer_groups: [{name: gold}]\n" +
				"consumer_group_consumers: [{consumer: ann, consumer_group: gold}]\n",
		},
		"the reserved route of a gateway of a fleet": {
			served("routes:\n- {id: 1448fce5-bfeb-5f3b-a2c5-51d464655867, name: silverback}\n" +
				"plugins:\n- {id: p, name: pre-function, route: 1448fce5-bfeb-5f3b-a2c5-51d464655867}\nservices:\n- {id: s-1, name: a, host: h}\n"),
			head + "services: [{name: a, host: h}]\n",
		},
	} {
		if r := compare(t, tt.theirs, tt.ours, nil); r.Differs() || r.Equal == 0 {
			t.Errorf("%s: %d entities are equal, but:\n%s", name, r.Equal, strings.Join(lines(r), "\n"))
		}
	}
}

func hidden(key string) string {
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("{vault://%x}", sum[:16])
}

func TestWhatDiffers(t *testing.T) {
	tags := "tags: ['k8s-name:shop', 'k8s-namespace:web', 'k8s-kind:Ingress']"
	for name, tt := range map[string]struct {
		theirs, ours string
		want         []string
	}{
		"a field, under the object that its tags name": {
			dump("services: [{name: a, host: h, routes: [{name: r, paths: [/a], " + tags + "}]}]"),
			head + "services: [{name: a, host: h, routes: [{name: r, paths: [/a, /b], " + tags + "}]}]\n",
			[]string{"Ingress web/shop: changed route r of service a", `  paths: ["/a"] -> ["/a","/b"]`},
		},
		"an entity, under the object of what it belongs to": {
			dump("upstreams: [{name: u, " + tags + ", targets: [{target: 'h:1'}]}]"),
			head + "upstreams: [{name: u, " + tags + ", targets: [{target: 'h:2'}]}]\n",
			[]string{"Ingress web/shop: added target h:2 of upstream u", "Ingress web/shop: removed target h:1 of upstream u"},
		},
		"ids of both sides": {
			dump("services: [{id: s-1, name: a, host: h}]"), head + "services: [{id: s-2, name: a, host: h}]\n",
			[]string{"no object: changed service a", `  id: "s-1" -> "s-2"`},
		},
		"a null where Kong has a default": {
			served("routes:\n- {id: r, name: r, paths: [/a], path_handling: ~}\n"), head + "routes: [{id: r, name: r, paths: [/a]}]\n",
			[]string{"no object: changed route r", "  path_handling: null -> "},
		},
		"a secret, which is not told": {
			dump("consumers: [{username: ann, basicauth_credentials: [{username: u, password: old-s3cret}]}]"),
			head + "consumers: [{username: ann, basicauth_credentials: [{username: u, password: new-s3cret}]}]\n",
			[]string{"no object: changed basic-auth credential u of consumer ann", "  password: hidden"},
		},
		"a key whose hash is another": {
			dump(fmt.Sprintf("consumers: [{username: ann, keyauth_credentials: [{key: '%s'}]}]", hidden("old"))),
			head + "consumers: [{username: ann, keyauth_credentials: [{key: new}]}]\n",
			[]string{"no object: changed key-auth credential of consumer ann", "  key: hidden"},
		},
		"a password whose hash is another": {
			served("consumers:\n- {id: c-1, username: ann}\nbasicauth_credentials:\n- {id: b-1, consumer: c-1, username: u, password: abc}\n"),
			head + "consumers: [{id: c-1, username: ann, basicauth_credentials: [{username: u, password: s3cret}]}]\n",
			[]string{"no object: changed basic-auth credential u of consumer ann", "  password: hidden"},
		},
		"a setting that the translation has alone": {
			dump("plugins: [{name: rate-limiting, config: {policy: local}}]"), head + "plugins: [{name: rate-limiting, config: {minute: 5}}]\n",
			[]string{"no object: changed plugin rate-limiting of every request", "  config.minute: hidden"},
		},
	} {
		r := compare(t, tt.theirs, tt.ours, nil)
		if diff := cmp.Diff(tt.want, lines(r)); diff != "" || !r.Differs() {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWhatIsHiddenIsUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		theirs, ours string
		want         parity.Unknown
	}{
		"a password, a private key and a key of an older controller": {
			dump("consumers: [{username: ann, basicauth_credentials: [{username: u, password: '{vault://redacted-value}'}], " +
				"keyauth_credentials: [{key: '{vault://0b16896c-7ae7-4f8b-a223-792c432bdd57}'}]}]\n" +
				"certificates: [{id: c-1, cert: C, key: '{vault://redacted-value}'}]"),
			head + "consumers: [{username: ann, basicauth_credentials: [{username: u, password: p}], keyauth_credentials: [{key: k}]}]\n" +
				"certificates: [{id: c-1, cert: C, key: K}]\n",
			parity.Unknown{Redacted: 3},
		},
		"settings that are filled in": {
			dump("plugins: [{name: rate-limiting, enabled: true, protocols: [http, https], " +
				"config: {minute: 5, policy: local, redis: {port: 6379, ssl: false, host: ~}}}]"),
			head + "plugins: [{name: rate-limiting, config: {minute: 5}}]\n",
			parity.Unknown{Filled: 3},
		},
		"memberships and custom entities, which a dump can lack": {
			dump("consumers: [{username: ann}]\nconsumer_groups: [{name: gold}]"),
			head + "consumers: [{username: ann}]\nconsumer_groups: [{name: gold}]\n" +
				"consumer_group_consumers: [{consumer: ann, consumer_group: gold}]\n" +
				"sessions: [{session_id: x}]\n",
			parity.Unknown{Absent: 2},
		},
	} {
		r := compare(t, tt.theirs, tt.ours, nil)
		if r.Differs() || r.Unknown != tt.want {
			t.Errorf("%s: unknown is %+v, want %+v, and:\n%s", name, r.Unknown, tt.want, strings.Join(lines(r), "\n"))
		}
	}
}

// TestSchemasTellSettingsFromDefaults has a plugin whose schema knows its defaults.
func TestSchemasTellSettingsFromDefaults(t *testing.T) {
	schemas, err := schema.New(schema.Texts{
		KongVersion: "3.9.3", Entities: map[string]json.RawMessage{}, Vaults: map[string]json.RawMessage{},
		Plugins: map[string]json.RawMessage{"limit": json.RawMessage(`{"fields": [
			{"protocols": {"type": "set", "elements": {"type": "string"}, "default": ["grpc", "http"]}},
			{"config": {"type": "record", "required": true, "fields": [
				{"minute": {"type": "number"}}, {"policy": {"type": "string", "default": "local"}},
				{"secret": {"type": "string", "encrypted": true, "auto": true}},
				{"redis": {"type": "record", "fields": [{"port": {"type": "integer", "default": 6379}}, {"host": {"type": "string"}}]}}]}}]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ours := head + "plugins: [{name: limit, config: {minute: 5}}]\n"
	filled := dump("plugins: [{name: limit, protocols: [http, grpc], " +
		"config: {minute: 5, policy: local, secret: x, redis: {port: 6379, host: ~}}}]")
	if r := compare(t, filled, ours, schemas); r.Differs() || r.Unknown != (parity.Unknown{Filled: 1}) {
		t.Errorf("defaults: unknown is %+v, and:\n%s", r.Unknown, strings.Join(lines(r), "\n"))
	}
	set := dump("plugins: [{name: limit, protocols: [http], config: {minute: 6, policy: redis, redis: {port: 6380}}}]")
	want := []string{
		"no object: changed plugin limit of every request", "  config.minute: 6 -> 5", `  config.policy: "redis" -> `,
		"  config.redis.port: 6380 -> ", `  protocols: ["http"] -> `,
	}
	if diff := cmp.Diff(want, lines(compare(t, set, ours, schemas))); diff != "" {
		t.Errorf("settings: %s", diff)
	}
}

func TestTextsThatAreNoConfiguration(t *testing.T) {
	for name, text := range map[string]string{
		"a list": "[1]", "another document": "kind: s3cret\n", "an envelope without one": `{"config": {"services": []}}`,
		"an envelope with text that is none": `{"config": "s3cret"}`, "several documents": head + "---\n" + head,
	} {
		_, err := parity.Read("x", []byte(text))
		if !errors.Is(err, parity.ErrNotConfiguration) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parity.Read("x", []byte("a: [")); err == nil {
		t.Error("what is not YAML is read")
	}
}

// TestEveryExampleHasParityWithItself compares texts of all kinds of entities with themselves.
func TestEveryExampleHasParityWithItself(t *testing.T) {
	files, err := filepath.Glob("../compile/testdata/golden/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a, err := parity.Read(file, text)
		if err != nil {
			continue // an older format, or a part of several
		}
		n++
		r, err := parity.Compare(a, read(t, string(text)), nil)
		if err != nil || r.Differs() || r.Unknown != (parity.Unknown{}) {
			t.Errorf("%s: %v, %+v\n%s", file, err, r.Unknown, strings.Join(lines(r), "\n"))
		}
	}
	if n < 10 {
		t.Errorf("%d of %d examples were compared", n, len(files))
	}
}
