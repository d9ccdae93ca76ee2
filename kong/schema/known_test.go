package schema_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/schema"
)

const protocols = `{"type":"set","elements":{"type":"string","one_of":["grpc","grpcs","http","https","tcp","tls","tls_passthrough",` +
	`"udp"]},"default":["http","https"]}`

// known is just enough of Kong's kinds for what is known of them beyond schemas.
var known = schema.Texts{
	Entities: map[string]json.RawMessage{
		"services": json.RawMessage(
			`{"fields":[{"name":{"type":"string"}},{"host":{"type":"string","required":true}},{"port":{"type":"integer","between":[0,65535],` +
				`"default":80}},
			{"protocol":{"type":"string","default":"http","one_of":["http","https"]}},{"path":{"type":"string","starts_with":"/"}},` +
				`{"tags":{"type":"set","elements":{"type":"string"}}},
			{"tls_verify":{"type":"boolean"}}],
			"entity_checks":[{"conditional":{"if_field":"protocol","if_match":{"not_one_of":["https"]},"then_field":"tls_verify",` +
				`"then_match":{"eq":null}}}]}`),
		"routes": json.RawMessage(`{"fields":[{"name":{"type":"string"}},{"protocols":` + protocols +
			`},{"strip_path":{"type":"boolean","default":true}},
			{"methods":{"type":"set","elements":{"type":"string"}}},{"hosts":{"type":"array","elements":{"type":"string"}}},` +
			`{"paths":{"type":"array","elements":{"type":"string"}}},
			{"headers":{"type":"map","keys":{"type":"string"},"values":{"type":"array","elements":{"type":"string"}}}},{"snis":{"type":"set",` +
			`"elements":{"type":"string"}}},
			{"sources":{"type":"set","elements":{"type":"record","fields":[{"ip":{"type":"string"}},{"port":{"type":"integer"}}]}}},
			{"destinations":{"type":"set","elements":{"type":"record","fields":[{"ip":{"type":"string"}}]}}},` +
			`{"regex_priority":{"type":"integer"}},{"path_handling":{"type":"string"}}],
			"entity_checks":[{"custom_entity_check":{"field_sources":["id","protocols","snis","sources","destinations","methods","hosts",` +
			`"paths","headers","expression","regex_priority","priority"],"run_with_missing_fields":true}}]}`),
		"upstreams": json.RawMessage(
			`{"fields":[{"name":{"type":"string","required":true}},{"hash_on_header":{"type":"string"}},{"host_header":{"type":"string"}}]}`),
		"targets": json.RawMessage(
			`{"fields":[{"target":{"type":"string","required":true}},{"upstream":{"type":"foreign","reference":"upstreams","required":true}}]}`),
		"snis": json.RawMessage(`{"fields":[{"name":{"type":"string","required":true}}]}`),
		"certificates": json.RawMessage(
			`{"fields":[{"cert":{"type":"string","required":true,"referenceable":true}},{"key":{"type":"string","required":true,` +
				`"referenceable":true}}],
			"entity_checks":[{"custom_entity_check":{"field_sources":["cert","key"]}}]}`),
		"ca_certificates": json.RawMessage(
			`{"fields":[{"cert":{"type":"string","required":true}}],"entity_checks":[{"custom_entity_check":{"field_sources":["cert"]}}]}`),
		"keys": json.RawMessage(`{"fields":[{"kid":{"type":"string","required":true}},{"jwk":{"type":"string","referenceable":true}},
			{"pem":{"type":"record","fields":[{"public_key":{"type":"string"}},{"private_key":{"type":"string","referenceable":true}}]}}],
			"entity_checks":[{"mutually_exclusive":["jwk","pem"]},{"custom_entity_check":{"field_sources":["jwk","pem","kid"]}}]}`),
		"jwt_secrets":        json.RawMessage(`{"fields":[{"rsa_public_key":{"type":"string"}}]}`),
		"oauth2_credentials": json.RawMessage(`{"fields":[{"redirect_uris":{"type":"array","elements":{"type":"string"}}}]}`),
		"filter_chains": json.RawMessage(
			`{"fields":[{"filters":{"type":"array","required":true,"elements":{"type":"record","fields":[{"name":{"type":"string",` +
				`"required":true,"one_of":[],"err":"no such filter"}}]}}}],
			"entity_checks":[{"custom_entity_check":{"field_sources":["filters"],"run_with_invalid_fields":true}}]}`),
		"plugins": json.RawMessage(
			`{"fields":[{"name":{"type":"string","required":true}},{"instance_name":{"type":"string"}},{"config":{"type":"record",` +
				`"abstract":true}}]}`),
	},
	Plugins: map[string]json.RawMessage{
		"cors":           config(`{"origins":{"type":"array","elements":{"type":"string"}}}`),
		"ip-restriction": config(`{"allow":{"type":"array","elements":{"type":"string"}}}`),
		"key-auth":       config(`{"key_names":{"type":"array","elements":{"type":"string"}}}`),
		"http-log":       config(`{"http_endpoint":{"type":"string","required":true,"referenceable":true}}`),
		"rate-limiting":  config(`{"second":{"type":"number"}},{"minute":{"type":"number"}},{"hour":{"type":"number"}}`),
		"response-ratelimiting": config(
			`{"limits":{"type":"map","keys":{"type":"string"},"values":{"type":"record","fields":[{"second":{"type":"number"}},` +
				`{"minute":{"type":"number"}}]}}}`),
		"request-termination": config(`{"message":{"type":"string"}},{"body":{"type":"string"}},{"content_type":{"type":"string"}}`),
		"oauth2": config(
			`{"enable_authorization_code":{"type":"boolean","default":false}},{"enable_implicit_grant":{"type":"boolean","default":false}},
			{"enable_client_credentials":{"type":"boolean","default":false}},{"enable_password_grant":{"type":"boolean","default":false}}`),
	},
}

func config(fields string) json.RawMessage {
	return json.RawMessage(`{"fields":[{"config":{"type":"record","required":true,"fields":[` + fields + `]}}]}`)
}

func TestWhatNoSchemaSays(t *testing.T) {
	b := bundleOf(t, known)
	for _, c := range []struct {
		kind, form string // the form has %s for the value
		field      string // Kong's path; "@" is the entity as a whole
		good, bad  []string
	}{
		{"service", `{"host":"h","name":%s}`, "name", []string{`"a-b._~1"`, `"é"`}, []string{`"a b"`, `"a/b"`, `"a\u0001"`, `"a\u2028/"`}},
		{"service", `{"host":"h","tags":[%s]}`, "tags.1", []string{`"a b"`, `"é"`}, []string{`"a,b"`, `"a/b"`, `"a\u0001b"`, `"\u007f"`}},
		{"service", `{"host":%s}`, "host", []string{`"h"`, `"a_b.c-d."`, `"1.2.3.4"`, `"::1"`, `"[::1]"`, `"-a"`},
			[]string{`"-bad!"`, `"a b"`, `"h:80"`, `"1.2.3.400"`, `"a..b"`, `"a-"`, `"http://h"`, `".."`}},
		{"service", `{"host":"h","path":%s}`, "path", []string{`"/"`, `"/a%20b;c=1"`}, []string{`"a"`, `"/a b"`, `"/%zz"`, `"/a%2"`, `"/é"`}},
		{"route", `{"paths":[%s]}`, "paths.1", []string{`"/"`, `"/a b"`, `"/a%2Fb"`, `"/é"`, `"~/a/(?<x>[a-z]+)$"`, `"~/a++b"`, `"/a\"b"`},
			[]string{`"/caf%C3%A9"`, `"/%zz"`, `"/a/../b"`, `"/a/./b"`, `"/%2f"`, `"~/a(b"`, `"~/a)b"`, `"~/[a"`}},
		{"route", `{"paths":["/a",%s]}`, "@", []string{`"~/(a)b"`, `"~/[(?=]"`, `"~/\\d+\\.x"`, `"~/(?:a)"`, `"~/(?P<x>a)"`, `"~/(?i)a"`},
			[]string{`"~/a(?=b)"`, `"~/a(?!b)"`, `"~/(?<=a)b"`, `"~/(?<!a)b"`, `"~/(a)\\1"`, `"~/(?>a)b"`, `"~/a\\Q.\\E"`}},
		{"route", `{"paths":["/a"],"headers":{"x":[%s]}}`, "@", []string{`"~*a+"`, `"(?!b)"`}, []string{`"~*(?!b)"`}},
		{"route", `{"hosts":[%s]}`, "hosts.1", []string{`"h"`, `"*.h"`, `"h.*"`, `"h:80"`, `"*.h:80"`, `"1.2.3.4:80"`, `"h:0"`, `"*."`},
			[]string{`"a b"`, `"1"`, `"999"`, `"fe80::1%eth0"`, `"h:70000"`, `"h:x"`, `"a..b"`}},
		{"route", `{"paths":["/a"],"headers":{%s:["x"]}}`, "headers", []string{`"x-a_1"`}, []string{`"a b"`, `"é"`}},
		{"route", `{"paths":["/a"],"snis":[%s]}`, "snis.1", []string{`"a.b"`, `"*.b"`, `"a.*"`},
			[]string{`"a.*.b"`, `"1.2.3.4"`, `"a:80"`, `"*.a.*"`}},
		{"route", `{"protocols":["tcp"],"sources":[{"ip":%s}]}`, "sources.1.ip", []string{`"1.2.3.4"`, `"10.0.0.0/8"`, `"::1"`, `"fe80::/10"`},
			[]string{`"10.0.0.0/33"`, `"h"`}},
		{"route", `{"paths":["/a"],"protocols":[%s]}`, "protocols", []string{`"http"`}, []string{`"spdy"`}},
		{"upstream", `{"name":%s}`, "name", []string{`"u.local"`, `"u_1"`}, []string{`"u u"`, `"1.2.3.4"`, `"u:80"`, `"::1"`}},
		{"upstream", `{"name":"u","hash_on_header":%s}`, "hash_on_header", []string{`"X-A"`}, []string{`"a b"`}},
		{"upstream", `{"name":"u","host_header":%s}`, "host_header", []string{`"h:80"`}, []string{`"a b"`}},
		{"target", `{"upstream":"u","target":%s}`, "target", []string{`"h"`, `"h:80"`, `"h:0"`, `"1.2.3.4:80"`, `"[::1]:80"`, `"::1"`},
			[]string{`"127.0.0.1:99999"`, `"a b"`, `"h:+1"`}},
		{"sni", `{"name":%s}`, "name", []string{`"a.test"`, `"*.a.test"`, `"*"`}, []string{`"*.a.*"`, `"a*b"`, `"1.2.3.4"`, `"a:1"`, `"a b"`}},
		{"oauth2_credential", `{"redirect_uris":[%s]}`, "redirect_uris.1", []string{`"https://a.test/cb?x=1"`},
			[]string{`"nope"`, `"https://a/#x"`, `"//a"`}},
		{"filter_chain", `{"filters":[%s]}`, "filters.1.name@", nil, []string{`{"name":"f"}`}},
		{"plugin", `{"name":"cors","instance_name":%s}`, "instance_name", []string{`"a"`}, []string{`"a b"`}},
		{"plugin", `{"name":"cors","config":{"origins":[%s]}}`, "config.origins.1", []string{`"*"`, `"https://a.test"`, `"^https?://(a|b)$"`},
			[]string{`"("`}},
		{"plugin", `{"name":"ip-restriction","config":{"allow":[%s]}}`, "config.allow.1", []string{`"1.2.3.4"`}, []string{`"10.0.0.0/99"`}},
		{"plugin", `{"name":"key-auth","config":{"key_names":[%s]}}`, "config.key_names.1", []string{`"apikey"`}, []string{`"a b"`}},
		{"plugin", `{"name":"http-log","config":{"http_endpoint":%s}}`, "config.http_endpoint", []string{`"http://h/x"`, `"{vault://env/url}"`},
			[]string{`"nope"`, `"//h"`}},
		{"plugin", `{"name":"rate-limiting","config":%s}`, "config", []string{`{"second":1,"hour":1}`, `{"minute":5}`},
			[]string{`{"second":10,"minute":5}`, `{"second":1,"minute":5,"hour":4}`}},
		{"plugin", `{"name":"response-ratelimiting","config":{"limits":{"video":%s}}}`, "config.limits", []string{`{"second":1,"minute":2}`},
			[]string{`{"second":3,"minute":2}`}},
		{"plugin", `{"name":"request-termination","config":%s}`, "config", []string{`{"message":"m"}`, `{"body":"b","content_type":"t"}`},
			[]string{`{"message":"m","body":"b"}`, `{"content_type":"t"}`}},
		{"plugin", `{"name":"oauth2","config":%s}`, "config", []string{`{"enable_implicit_grant":true}`},
			[]string{`{}`, `{"enable_implicit_grant":false}`}},
	} {
		for _, value := range c.good {
			if errs := verdict(t, b, c.kind, object(t, strings.ReplaceAll(c.form, "%s", value))); len(errs) > 0 {
				t.Errorf("%s %s: refused: %v", c.kind, strings.ReplaceAll(c.form, "%s", value), errs)
			}
		}
		for _, value := range c.bad {
			var where string
			for _, e := range verdict(t, b, c.kind, object(t, strings.ReplaceAll(c.form, "%s", value))) {
				if e.Whole {
					where += "@"
					continue
				}
				where = e.Path.Kong() + where
			}
			if where != c.field {
				t.Errorf("%s %s: refused at %q, want %q", c.kind, strings.ReplaceAll(c.form, "%s", value), where, c.field)
			}
		}
	}
}

// TestRouteProtocols: what a route may match on, and must, by its protocols.
func TestRouteProtocols(t *testing.T) {
	b := bundleOf(t, known)
	for entity, want := range map[string]string{
		`{"protocols":["http"],"hosts":["a"]}`:        "",
		`{"protocols":["http","https"],"snis":["a"]}`: "",
		`{"protocols":["http"],"snis":["a"]}`:         "missing-field  @entity",
		`{"methods":["GET"]}`:                         "",
		`{}`:                                          "missing-field  @entity",
		`{"paths":[]}`:                                "missing-field  @entity",
		`{"expression":"x"}`:                          "missing-field  @entity; unknown-field expression expression",
		`{"paths":["/a"],"sources":[{"port":1}]}`:     "bad-value sources sources",
		`{"protocols":["grpc"],"paths":["/a"],"strip_path":false}`:            "",
		`{"protocols":["grpc"],"paths":["/a"],"strip_path":true}`:             "bad-value strip_path strip_path",
		`{"protocols":["grpcs"],"methods":["GET"]}`:                           "missing-field  @entity; bad-value methods methods",
		`{"protocols":["grpcs"],"snis":["a"]}`:                                "",
		`{"protocols":["tcp"],"sources":[{"port":1}]}`:                        "",
		`{"protocols":["tls"],"snis":["a"]}`:                                  "",
		`{"protocols":["tcp"],"paths":["/a"]}`:                                "missing-field  @entity; bad-value paths paths",
		`{"protocols":["tls_passthrough"],"snis":["a"]}`:                      "",
		`{"protocols":["tls_passthrough"],"destinations":[{"ip":"1.2.3.4"}]}`: "missing-field  @entity",
		`{"protocols":[],"paths":["/a"]}`:                                     "",
	} {
		if got := strings.Join(told(verdict(t, b, "route", object(t, entity))), "; "); got != want {
			t.Errorf("%s: got %q, want %q", entity, got, want)
		}
	}
}

func TestRouteExpressions(t *testing.T) {
	texts := schema.Texts{Entities: map[string]json.RawMessage{"routes": json.RawMessage(
		strings.Replace(string(known.Entities["routes"]), `"fields":[`,
			`"fields":[{"expression":{"type":"string"}},{"priority":{"type":"integer"}},`, 1))}}
	b := bundleOf(t, texts)
	for entity, want := range map[string]string{
		`{"expression":"http.path == \"/a\"","priority":1}`: "",
		`{"paths":["/a"]}`:                  "",
		`{"expression":"x","paths":["/a"]}`: "bad-value  @entity",
		`{}`:                                "missing-field  @entity",
	} {
		if got := strings.Join(told(verdict(t, b, "route", object(t, entity))), "; "); got != want {
			t.Errorf("%s: got %q, want %q", entity, got, want)
		}
	}
}

func TestServiceURL(t *testing.T) {
	b := bundleOf(t, known)
	for entity, want := range map[string]string{
		`{"url":"http://127.0.0.1:80/a"}`:            "",
		`{"url":"https://h","tls_verify":true}`:      "",
		`{"url":"http://h","tls_verify":true}`:       "bad-value  @entity; bad-value tls_verify tls_verify",
		`{"url":"http://[::1]:80"}`:                  "",
		`{"url":"http://u:p@h/?q"}`:                  "",
		`{"url":"ftp://a/b"}`:                        "bad-value protocol protocol",
		`{"url":"http://a:70000"}`:                   "bad-value port port",
		`{"url":"http://a b"}`:                       "bad-value host host",
		`{"url":"http://a/b c"}`:                     "bad-value path path",
		`{"url":"not-a-url"}`:                        "missing-field host host; bad-value path path",
		`{"url":1}`:                                  "wrong-type url url",
		`{"url":null}`:                               "missing-field host host",
		`{"url":"not-a-url","host":"h","path":"/x"}`: "bad-value path path",
	} {
		if got := strings.Join(told(verdict(t, b, "service", object(t, entity))), "; "); got != want {
			t.Errorf("%s: got %q, want %q", entity, got, want)
		}
	}
}

func newCertificate(t *testing.T, ca bool) (certPEM, keyPEM string) {
	t.Helper()
	return certificateUntil(t, ca, time.Unix(1<<32, 0))
}

func certificateUntil(t *testing.T, ca bool, end time.Time) (certPEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: end,
		BasicConstraintsValid: true, IsCA: ca}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TestAnExpiredAuthorityIsToldWithTheClocksWord: whoever reads it can tell a wrong clock from an old certificate.
func TestAnExpiredAuthorityIsToldWithTheClocksWord(t *testing.T) {
	old, _ := certificateUntil(t, true, time.Unix(1<<30, 0))
	errs := verdict(t, bundleOf(t, known), "ca_certificate", map[string]any{"cert": old})
	if len(errs) != 1 || !strings.HasPrefix(errs[0].Message, "the certificate expired at 2004-01-10T13:37:04Z, and by the clock here it "+
		"is 20") {
		t.Errorf("told as %v", errs)
	}
}

func TestCertificatesAndKeys(t *testing.T) {
	b := bundleOf(t, known)
	leaf, leafKey := newCertificate(t, false)
	ca, caKey := newCertificate(t, true)
	old, _ := certificateUntil(t, true, time.Unix(1<<30, 0))
	const jwk = `{"kid":"1","kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",` +
		`"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	for _, c := range []struct {
		name, kind string
		entity     map[string]any
		want       string
	}{
		{"a pair", "certificate", map[string]any{"cert": leaf, "key": leafKey}, ""},
		{"a chain", "certificate", map[string]any{"cert": leaf + ca, "key": leafKey}, ""},
		{"from a vault", "certificate", map[string]any{"cert": "{vault://env/c}", "key": "{vault://env/k}"}, ""},
		{"the key of another", "certificate", map[string]any{"cert": leaf, "key": caKey}, "bad-value  @entity"},
		{"no PEM", "certificate", map[string]any{"cert": "x", "key": "y"}, "bad-value cert cert; bad-value key key"},
		{"the wrong way round", "certificate", map[string]any{"cert": leafKey, "key": leaf}, "bad-value cert cert; bad-value key key"},
		{"an authority", "ca_certificate", map[string]any{"cert": ca}, ""},
		{"no authority", "ca_certificate", map[string]any{"cert": leaf}, "bad-value  @entity"},
		{"an authority that expired", "ca_certificate", map[string]any{"cert": old}, "bad-value  @entity"},
		{"two authorities", "ca_certificate", map[string]any{"cert": ca + ca}, "bad-value  @entity"},
		{"no certificate", "ca_certificate", map[string]any{"cert": "x"}, "bad-value cert cert"},
		{"a JWK", "key", map[string]any{"kid": "1", "jwk": jwk}, ""},
		{"a JWK from a vault", "key", map[string]any{"kid": "1", "jwk": "{vault://env/k}"}, ""},
		{"a JWK of another kid", "key", map[string]any{"kid": "2", "jwk": jwk}, "bad-value  @entity"},
		{"a symmetric JWK", "key", map[string]any{"kid": "1", "jwk": `{"kid":"1","kty":"oct","k":"AA"}`}, "bad-value  @entity"},
		{"a JWK with a hole", "key", map[string]any{"kid": "1", "jwk": `{"kid":"1","kty":"RSA","n":"AA"}`}, "bad-value  @entity"},
		{"a JWK that is no JSON", "key", map[string]any{"kid": "1", "jwk": `{not`}, "bad-value  @entity"},
		{"PEM", "key", map[string]any{"kid": "1", "pem": map[string]any{"private_key": leafKey}}, ""},
		{"PEM that is none, and a JWK", "key", map[string]any{"kid": "1", "jwk": "{", "pem": map[string]any{"public_key": "x"}},
			"bad-value pem pem"},
		{"PEM and a JWK", "key", map[string]any{"kid": "1", "jwk": jwk, "pem": map[string]any{"private_key": leafKey}}, "bad-value  @entity"},
	} {
		errs := verdict(t, b, c.kind, c.entity)
		if got := strings.Join(told(errs), "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
