package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestWordsOfKongAndLuaAreShown(t *testing.T) {
	entity := func(code string) json.RawMessage {
		text, _ := json.Marshal(map[string]any{"name": "pre-function", "config": map[string]any{"access": []string{code}, "minute": 5}})
		return text
	}
	for _, tt := range []struct{ name, code, message, want string }{
		{"end of the code", "return foo(", `error parsing pre-function: [string "return foo("]:1: unexpected symbol near '<eof>'`,
			`error parsing pre-function: [string "..."]:1: unexpected symbol near '<eof>'`},
		{"an operator is Lua's, a name is the code's", "this is not lua",
			`error parsing pre-function: [string "this is not lua"]:1: '=' expected near 'is'`,
			`error parsing pre-function: [string "..."]:1: '=' expected near [redacted]`},
		{"a keyword", "if x then\nelse\n", `[string "if x then..."]:2: 'end' expected (to close 'if' at line 1) near '<eof>'`,
			`[string "..."]:2: 'end' expected (to close 'if' at line 1) near '<eof>'`},
		{"a secret in the code", `k = "s3cret" "s4cret"`, `[string "k = "s3cret" "s4cret""]:1: unexpected symbol near '"s4cret"'`,
			`[string "..."]:1: unexpected symbol near [redacted]`},
		{"quotes within quotes", `k = 's3cret' 's4cret'`, `[string "k = 's3cret' 's4cret'"]:1: unexpected symbol near ''s4cret''`,
			`[string "..."]:1: unexpected symbol near [redacted]`},
		{"code that ends like a chunk", `a["s3cret"]:1: b`, `[string "a["s3cret"]:1: b"]:1: '=' expected near ':'`,
			`[string "..."]:1: '=' expected near ':'`},
		{"a token that ends like a chunk", `a = 1 'zq7"]:1:s3cret'`, `[string "a = 1 'zq7..."]:1: '=' expected near ''zq7"]:1:s3cret''`,
			`[string "..."]: [redacted]`},
		{"names of fields", "x", `'minute' must be larger than 'config.access'`, `'minute' must be larger than 'config.access'`},
		{"a value in quotes", "x", `expected no 'v4lue' in 'config'`, `expected no [redacted] in 'config'`},
		{"a password of signs", "x", `found '!?%$&!' near`, `found [redacted] near`},
		{"words that no name is made of", "x", `found 'key end local'`, `found [redacted]`},
	} {
		if got := newScrubber("plugin", entity(tt.code)).scrub("config.access.1", tt.message); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// TestQuotedValuesAreRedacted: a secret of any form, in any place of what Lua and Kong say.
func TestQuotedValuesAreRedacted(t *testing.T) {
	for _, secret := range []string{"zq7planted", "zq7 planted", `zq7"planted`, "zq7'planted", `zq7"]:1:planted`, "zq7\nplanted",
		"zq7planted ' near '", "name.zq7planted"} {
		entity, _ := json.Marshal(map[string]any{"name": "p", "config": map[string]any{"access": []string{secret, "return '" + secret + "'"}}})
		for _, message := range []string{
			"[string \"%s...\"]:1: '=' expected near '\"%s",
			"[string \"%s\"]:1: '=' expected near '%s'", "[string \"return '%s'\"]:1: unexpected symbol near '\"%s\"'", "error: '%s' and \"%s\"",
			"bad %s near '%s'", "unfinished string near ''%s' (%s)",
		} {
			message = fmt.Sprintf(message, secret, secret)
			if got := newScrubber("plugin", entity).scrub("config.access.1", message); strings.Contains(got, "planted") ||
				strings.Contains(got, "zq7") {
				t.Errorf("%q became %q", message, got)
			}
		}
	}
}
