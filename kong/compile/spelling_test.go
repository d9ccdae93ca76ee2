package compile_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// spellings are ways to write one PEM text, the common one first.
func spellings(kind string) map[string]string {
	sequence := append([]byte{0x30, 0x81, 240}, bytes.Repeat([]byte("der "), 60)...) // all that Kong's rules look at
	common := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: sequence}))
	one := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(common, "-----BEGIN "+kind+"-----\n"), "-----END "+kind+"-----\n"), "\n",
		"")
	return map[string]string{
		"as OpenSSL writes it":       common,
		"without the last line feed": strings.TrimSpace(common),
		"with more line feeds":       "\n" + common + "\n\n",
		"from Windows":               strings.ReplaceAll(common, "\n", "\r\n"),
		"with blanks behind lines":   strings.ReplaceAll(common, "\n", " \t\n"),
		"with blanks before lines":   "  " + strings.ReplaceAll(common, "\n", "\n  "),
		"on long lines":              "-----BEGIN " + kind + "-----\n" + one + "\n-----END " + kind + "-----\n",
	}
}

// TestPEMIsReadByItsMeaning: how PEM is spelled changes no byte and no id, wherever a field holds it.
func TestPEMIsReadByItsMeaning(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for field, format := range map[string]string{
		"certificate.cert": `"certificates":[{"cert":%q,"key":"{vault://env/key}","snis":["a.test"]}]`,
		"certificate.key":  `"certificates":[{"cert":"{vault://env/cert}","key":%q,"snis":[{"name":"a.test"}]}]`,
		"certificate.cert_alt": `"certificates":[{"cert":"{vault://env/cert}","key":"{vault://env/key}","cert_alt":%q,` +
			`"key_alt":"{vault://env/alt}"}]`,
		"certificate.key_alt": `"certificates":[{"cert":"{vault://env/cert}","key":"{vault://env/key}","key_alt":%q,` +
			`"cert_alt":"{vault://env/alt}"}]`,
		"ca_certificate.cert": `"ca_certificates":[{"cert":%q}]`,
		"jwt.rsa_public_key":  `"consumers":[{"username":"u","jwt_secrets":[{"key":"k","algorithm":"RS256","rsa_public_key":%q}]}]`,
		"key.pem.public_key":  `"keys":[{"kid":"1","pem":{"public_key":%q}}]`,
		"key.pem.private_key": `"keys":[{"kid":"1","pem":{"private_key":%q}}]`,
	} {
		var want string
		all := spellings(map[bool]string{true: "PRIVATE KEY", false: "CERTIFICATE"}[strings.Contains(field, "key")])
		for _, name := range append([]string{"as OpenSSL writes it"}, sortedKeys(all)...) {
			text := fmt.Sprintf(`{"_format_version":"3.0",`+format+`}`, all[name])
			sealed, _, problems, err := build(c, []compile.Document{{Name: "a.json", Content: []byte(text)}})
			if err != nil || problems != nil {
				t.Fatalf("%s %s: %v\n%s", field, name, err, lines(problems))
			}
			got := string(sealed.Canonical())
			if want == "" {
				if want = got; !strings.Contains(got, strings.ReplaceAll(all[name], "\n", `\n`)) {
					t.Errorf("%s: the common spelling was changed: %s", field, got)
				}
			}
			if got != want {
				t.Errorf("%s %s:\n got %s\nwant %s", field, name, got, want)
			}
		}
	}
}

// TestPEMThatCannotBeRead: such a text is kept where Kong has no rule for it.
func TestPEMThatCannotBeRead(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for in, want := range map[string]string{
		"-----BEGIN CERTIFICATE-----\\r\\n!!\\r\\n-----END CERTIFICATE-----": `-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n`,
		"{vault://env/cert}": "{vault://env/cert}",
		"-----BEGIN A-----\\n" + base64.StdEncoding.EncodeToString([]byte("a")) +
			"\\n-----END A-----\\n-----BEGIN B-----\\n-----END " +
			"A-----": `-----BEGIN A-----\nYQ==\n-----END A-----\n-----BEGIN B-----\n-----END A-----\n`,
	} {
		text := `{"_format_version":"3.0","keys":[{"kid":"1","pem":{"public_key":"` + in + `"}}]}`
		sealed, _, problems, err := build(c, []compile.Document{{Name: "a.json", Content: []byte(text)}})
		if err != nil || problems != nil || !strings.Contains(string(sealed.Canonical()), `"public_key":"`+want+`"`) {
			t.Errorf("%s: %v\n%s%s", in, err, lines(problems), sealed.Canonical())
		}
	}
}

// TestOneCertificateWrittenTwoWays compares two files that were reported to move SNIs between certificates.
func TestOneCertificateWrittenTwoWays(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	var all []string
	for _, name := range []string{"11-rotate-a.yaml", "11-rotate-a2.yaml"} {
		text := shared.Read(t, "cases", name)
		sealed, _, problems, err := build(c, []compile.Document{{Name: name, Content: text}})
		if err != nil || problems != nil {
			t.Fatalf("%s: %v\n%s", name, err, lines(problems))
		}
		all = append(all, string(sealed.Canonical()))
	}
	if all[0] != all[1] {
		t.Errorf("got\n%s\nand\n%s", all[0], all[1])
	}
}

// TestURLComesFirst: what a url says counts, as in Kong, and whoever wrote something else beside it is told.
func TestURLComesFirst(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for _, tc := range []struct{ name, service, want, ignored string }{
		{"alone", "url: http://a:1/p", `"host":"a","name":"s","path":"/p","port":1,"protocol":"http"`, ""},
		{"beside a protocol", "url: http://a:1/p, protocol: ws", `"host":"a","name":"s","path":"/p","port":1,"protocol":"http"`, "protocol"},
		{"beside everything", "url: https://a/p, protocol: http, host: b, port: 8, path: /q",
			`"host":"a","name":"s","path":"/p","port":443,"protocol":"https"`,
			"protocol, host, port, path"},
		{"beside the same", "url: http://a:1/p, protocol: http, host: a, port: 1, path: /p",
			`"host":"a","name":"s","path":"/p","port":1,"protocol":"http"`, ""},
		{"beside nulls", "url: http://a:1, protocol: ~, host: ~, port: ~", `"host":"a","name":"s","port":1,"protocol":"http"`, ""},
		{"beside a path that it does not say", "url: http://a, path: /q", `"host":"a","name":"s","port":80,"protocol":"http"`, "path"},
		{"beside the port of a scheme without one", "url: tcp://a, port: 7", `"host":"a","name":"s","port":80,"protocol":"tcp"`, "port"},
		{"with a hexadecimal port", "url: 'http://a:0x50'", `"host":"a","name":"s","port":80,"protocol":"http"`, ""},
		{"without a scheme, on the port of one", "url: '//a:443'", `"host":"a","name":"s","port":443,"protocol":"https"`, ""},
		{"beside values of another type", "url: http://a, port: '80', host: [x]", `"host":"a","name":"s","port":80,"protocol":"http"`,
			"host, port"},
		{"beside values that cannot be", "url: http://a, port: 99999", `"host":"a","name":"s","port":80,"protocol":"http"`, "port"},
		{"without a scheme", "url: //a/b, protocol: https", `"host":"a","name":"s","path":"/b","port":80,"protocol":"http"`, "protocol"},
		{"with what Kong leaves out", "url: 'http://u:p@a/b;c?d#e'", `"host":"a","name":"s","path":"/b","port":80,"protocol":"http"`, ""},
		{"no url", "host: a", `"host":"a","name":"s","port":80,"protocol":"http"`, ""},
	} {
		text := "_format_version: \"3.0\"\nservices:\n- {name: s, " + tc.service + "}\n"
		sealed, result, problems, err := build(c, []compile.Document{{Name: "a.yaml", Content: []byte(text)}})
		if err != nil || problems != nil {
			t.Errorf("%s: %v\n%s", tc.name, err, lines(problems))
			continue
		}
		got := string(sealed.Canonical())
		got = got[strings.Index(got, `"host"`):]
		if i := strings.Index(got, `"id":`); i >= 0 {
			got = got[:i] + got[i+len(`"id":"`)+36+2:]
		}
		if want := tc.want + "}\n]}\n"; got != want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, want)
		}
		switch {
		case tc.ignored == "" && len(result.Warnings) > 0 || tc.ignored != "" && len(result.Warnings) != 1:
			t.Errorf("%s: warned\n%s", tc.name, lines(result.Warnings))
		case tc.ignored != "":
			if w := result.Warnings[0]; w.Field != "url" || w.Line != 3 || !strings.Contains(w.Message, "differs from "+tc.ignored+
				" and takes precedence") {
				t.Errorf("%s: warned %s", tc.name, w)
			}
		}
	}
}
