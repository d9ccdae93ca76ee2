package gateway

import (
	"errors"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
)

func TestPostedSecretsAreRedacted(t *testing.T) {
	const posted = `{"_format_version":"3.0","_transform":false,
"certificates":[
{"id":"c","key":"-----BEGIN PRIVATE KEY-----\nabcdefgh\n-----END PRIVATE KEY-----"}],
"keyauth_credentials":[
{"id":"k","key":"s3cret-key"}
],
"routes":[
{"id":"r","name":"orders","paths":["/orders"]}
]}`
	key := "-----BEGIN PRIVATE KEY-----\nabcdefgh\n-----END PRIVATE KEY-----"
	for _, tt := range []struct{ name, message, want string }{
		{"nothing secret", "paths must begin with /orders", "paths must begin with /orders"},
		{"a key in the middle", "cannot use s3cret-key here", "cannot use [redacted] here"},
		{"over lines", "found " + key + " there", "found [redacted] there"},
		{"in one line", "error parsing:\n\tnear EOF\r\n  ", "error parsing: near EOF"},
		{"cut off", "found " + key[:40] + ellipsis, "found [redacted]"},
		{"cut off, and more after it", "found " + key[:40] + ellipsis + ", and why", "found [redacted], and why"},
		{"cut off elsewhere", "found nothing" + ellipsis, "found nothing" + ellipsis},
	} {
		err := redactPosted(&verdict.Refusal{Problems: []verdict.Problem{{Message: tt.message}}}, []byte(posted))
		var refusal *verdict.Refusal
		if !errors.As(err, &refusal) || refusal.Problems[0].Message != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	failure := &verdict.Failure{Reason: verdict.Busy}
	if got := redactPosted(failure, []byte(posted)); !errors.Is(got, failure) || redactPosted(nil, []byte(posted)) != nil {
		t.Error("what is no refusal was changed")
	}
	for _, broken := range []string{"", "[]", `{"a":`, `{"a":[{"b":`, `{"a":{"b":1}}`, strings.Repeat("[", 10000)} {
		_ = redactPosted(&verdict.Refusal{Problems: []verdict.Problem{{Message: "m"}}}, []byte(broken))
	}
}
