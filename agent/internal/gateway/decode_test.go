package gateway

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

func TestDecode(t *testing.T) {
	const vague = "declarative config is invalid, without a reason"
	tests := []struct {
		name, body string
		want       []verdict.Problem
	}{
		{"a message alone", `{"message":"expected a declarative configuration"}`,
			[]verdict.Problem{{Message: "expected a declarative configuration, without a reason"}}},
		{"a parser's message quotes the text, so it is withheld",
			`{"message":"failed parsing declarative configuration: did not find expected 's3cret'"}`,
			[]verdict.Problem{{Message: "the gateway could not parse the configuration"}}},
		{"nothing flattened is an object",
			`{"code":14,"fields":{"servicez":"unknown field"},"flattened_errors":{},"message":"declarative config is invalid: ` +
				`{servicez=\"unknown field\"}"}`,
			[]verdict.Problem{{Field: "servicez", Message: "unknown field"}}},
		{"nothing at all", `{"code":14,"fields":{},"flattened_errors":{},"message":"declarative config is invalid: {}"}`,
			[]verdict.Problem{{Message: vague}}},
		{"positions count from 0",
			`{"fields":{},"flattened_errors":[{"entity":{"name":"r","paths":["x"]},"entity_type":"route","entity_name":"r","entity_id":"i",
			"errors":[{"type":"field","field":"paths.1","message":"should start with: /"},{"type":"entity","message":"must set one of"}]}]}`,
			[]verdict.Problem{{Kind: "route", Name: "r", ID: "i", Field: "paths[0]", Message: "should start with: /"},
				{Kind: "route", Name: "r", ID: "i", Message: "must set one of"}}},
		{"deep positions",
			`{"flattened_errors":[{"entity_type":"upstream","entity_name":"u","errors":[{"type":"field",` +
				`"field":"healthchecks.active.healthy.http_statuses.2","message":"no"}]}]}`,
			[]verdict.Problem{{Kind: "upstream", Name: "u", Field: "healthchecks.active.healthy.http_statuses[1]", Message: "no"}}},
		{"holes in an array",
			`{"fields":{"services":[null,"uniqueness violation: 'services' entity with name set to 'a' already declared"]},"flattened_errors":{}}`,
			[]verdict.Problem{{Kind: "service", Message: "uniqueness violation: 'services' entity with name set to 'a' already declared"}}},
		{"entities by name", `{"fields":{"routes":{"r":["invalid reference (no such entry in 'services')"],"q":{"paths":[null,"bad"]}}}}`,
			[]verdict.Problem{{Kind: "route", Name: "q", Field: "paths[1]", Message: "bad"},
				{Kind: "route", Name: "r", Message: "invalid reference (no such entry in 'services')"}}},
		{"a key in a uniqueness violation is a secret",
			`{"fields":{"keyauth_credentials":["uniqueness violation: 'keyauth_credentials' entity with key set to 's3cret' already declared"]}}`,
			[]verdict.Problem{{Kind: "keyauth_credential", Message: "uniqueness violation: 'keyauth_credentials' entity with key set to " +
				"[redacted] already declared"}}},
		{"a secret of a plugin is taken out of the message",
			`{"flattened_errors":[{"entity":{"name":"http-log","config":{"http_endpoint":"http://u:s3cret@"}},"entity_type":"plugin",` +
				`"entity_name":"http-log",
			"errors":[{"type":"field","field":"config.http_endpoint","message":"bad url: http://u:s3cret@"}]}]}`,
			[]verdict.Problem{{Kind: "plugin", Name: "http-log", Field: "config.http_endpoint", Message: "bad url: [redacted]"}}},
		{"a fixed phrase with names of fields stays",
			`{"flattened_errors":[{"entity":{"name":"acl","config":{}},"entity_type":"plugin","entity_name":"acl",
			"errors":[{"type":"entity","message":"exactly one of these fields must be non-empty: 'config.allow', 'config.deny'"}]}]}`,
			[]verdict.Problem{{Kind: "plugin", Name: "acl", Message: "exactly one of these fields must be non-empty: 'config.allow', " +
				"'config.deny'"}}},
		{"a parser's words in a field", `{"fields":{"error":"failed parsing declarative configuration: 1:5: did not find 's3cret'"}}`,
			[]verdict.Problem{{Message: "failed parsing declarative configuration: 1:5: did not find [redacted]"}}},
		{"a credential within a consumer", `{"fields":{"consumers":{"c":{"keyauth_credentials":[{"key":"bad 's3cret'"}]}}}}`,
			[]verdict.Problem{{Kind: "consumer", Name: "c", Field: "keyauth_credentials[0].key", Message: "bad [redacted]"}}},
		{"a body of another form", `{"fields":"x","message":["y"]}`, []verdict.Problem{
			{Message: "the gateway refused the configuration without a reason"}}},
		{"half a body", `{"flattened_err`, []verdict.Problem{{Message: "the gateway refused the configuration without a reason"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, decode([]byte(tt.body))); diff != "" {
				t.Errorf("decode(%s): -want +got\n%s", tt.body, diff)
			}
		})
	}
}

func TestDecodeIsBounded(t *testing.T) {
	one := `{"entity_type":"route","errors":[{"type":"entity","message":"` + strings.Repeat("é", 10_000) + `"}]}`
	got := decode([]byte(`{"flattened_errors":[` + strings.Repeat(one+",", 99) + one + `]}`))
	if len(got) != verdict.MaxProblems || len(got[0].Message) > maxMessage+4 {
		t.Errorf("%d problems, the first of %d bytes", len(got), len(got[0].Message))
	}
}

// What a real Kong refused: each must come out with a reason, and with the object where Kong named one.
func TestDecodeRecordings(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Dir(t), "kong-contract", "config-invalid", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the recordings hold no refused configuration: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		type answer struct {
			Status int    `json:"status"`
			Body   string `json:"body"`
		}
		var recorded struct {
			Flattened answer `json:"response"`
			Plain     answer `json:"response_without_flatten_errors"`
		}
		if json.Unmarshal(text, &recorded) != nil || recorded.Flattened.Status != 400 {
			continue
		}
		problems := decode([]byte(recorded.Flattened.Body))
		if vague(problems) {
			problems = decode([]byte(recorded.Plain.Body))
		}
		if vague(problems) && !strings.Contains(recorded.Plain.Body, "pars") && !strings.Contains(recorded.Plain.Body, "expected a declarative") {
			t.Errorf("%s: nothing is named in %+v", filepath.Base(file), problems)
		}
		for _, p := range problems {
			if p.Message == "" || strings.Contains(p.Message, "BEGIN ") {
				t.Errorf("%s: problem %+v", filepath.Base(file), p)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(
		[]byte(
			`{"fields":{"services":[null,{"a":["b"]}]},"flattened_errors":[{"entity":{"key":"abcdef"},"entity_type":"x",` +
				`"errors":[{"type":"field","field":"a.1","message":"m"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if p := decode(body); len(p) == 0 || len(p) > verdict.MaxProblems {
			t.Errorf("%d problems", len(p))
		}
	})
}
