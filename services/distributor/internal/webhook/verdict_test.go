package webhook

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	for code, want := range map[int]verdict{
		0: again, 200: taken, 202: taken, 204: taken, 299: taken, 300: dead, 302: dead, 307: dead, 308: dead, 400: dead, 401: dead, 403: dead,
		404: dead, 408: again, 410: dead, 413: dead, 429: again, 500: again, 502: again, 503: again, 504: again,
	} {
		if got := judge(code); got != want {
			t.Errorf("%d is judged %v, want %v", code, got, want)
		}
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for after, want := range map[string]time.Duration{
		"": time.Second, "5": 5 * time.Second, "0": time.Second, "-7": time.Second, "86400": maxRetryAfter, "99999999999999": time.Second,
		"Sun, 29 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sun, 29 Nov 2026 11:00:00 GMT": time.Second,
		"Tue, 29 Nov 2046 12:00:30 GMT": maxRetryAfter, "soon": time.Second,
	} {
		if got := pauseOf(after, now, time.Second); got != want {
			t.Errorf("%q waits %s, want %s", after, got, want)
		}
	}
}

func TestAFileOfHooksIsChecked(t *testing.T) {
	secret := secretFile(t, "correct horse battery staple\n")
	load := func(text string) ([]Hook, error) {
		file := filepath.Join(t.TempDir(), "webhooks.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "SECRET", secret)), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(file)
	}
	hooks, err := load(`
webhooks:
- name: chat
  url: https://chat.example.com/hooks/1
  secret_file: SECRET
  groups: [default]
  reasons: [GateFailed, RolloutRolledBack]
- {name: ci, url: "http://127.0.0.1:8080/", secret_file: SECRET, timeout: 3s, retry_for: 10m}
- {name: inside, url: "http://hooks.internal/", secret_file: SECRET, allow_http: true}
`)
	if err != nil || len(hooks) != 3 || hooks[0].Timeout != DefaultTimeout || hooks[0].RetryFor != DefaultRetryFor ||
		hooks[1].RetryFor != 10*time.Minute || len(hooks[0].filter().Reasons) != 2 {
		t.Fatalf("read %+v, %v", hooks, err)
	}
	if hooks, err := load(""); err != nil || hooks != nil {
		t.Errorf("an empty file gives %v, %v", hooks, err)
	}
	many := "webhooks:\n"
	for i := range maxHooks + 1 {
		many += fmt.Sprintf("- {name: h%d, url: \"https://h/\", secret_file: SECRET}\n", i)
	}
	for _, tt := range []struct{ text, want string }{
		{many, "at most 32"},
		{`webhooks: [{name: a, url: "https://h/", secret_file: SECRET}, {name: a, url: "https://h/", secret_file: SECRET}]`, "is taken"},
		{`webhooks: [{name: a/b, url: "https://h/", secret_file: SECRET}]`, "webhooks[0].name"},
		{`webhooks: [{name: a, url: "ftp://h/hidden", secret_file: SECRET}]`, "webhooks[0].url: want https"},
		{`webhooks: [{name: a, url: "://hidden", secret_file: SECRET}]`, "webhooks[0].url: want https"},
		{`webhooks: [{name: a, url: "http://hidden.example/", secret_file: SECRET}]`, "allow_http"},
		{`webhooks: [{name: a, url: "https://hidden:hidden@h/", secret_file: SECRET}]`, "no user"},
		{`webhooks: [{name: a, url: "https://h/"}]`, "secret_file: is needed"},
		{`webhooks: [{name: a, url: "https://h/", secret_file: /nowhere/at/all}]`, "no such file"},
		{`webhooks: [{name: a, url: "https://h/", secret_file: /dev/zero}]`, "is larger than"},
		{`webhooks: [{name: a, url: "https://h/", secret_file: SECRET, timeout: 1h}]`, "timeout: 1h0m0s"},
		{`webhooks: [{name: a, url: "https://h/", secret_file: SECRET, retry_for: 48h}]`, "retry_for: 48h0m0s"},
		{`webhooks: [{name: a, url: "https://h/", secret_file: SECRET, reasons: [Nonsense]}]`, `"Nonsense" is none`},
		{`webhooks: [{name: a, url: "https://h/", secret_file: SECRET, ca_file: SECRET}]`, "holds no certificate"},
		{`webhooks: [{name: a, url: "https://h/", secret_file: SECRET, secrets: x}]`, "not found in type"},
		{`hooks: []`, "not found in type"},
	} {
		if _, err := load(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s gives %v, want %s", tt.text, err, tt.want)
		}
	}
	if _, err := Load("/nowhere"); err == nil {
		t.Error("a file that is not there is taken")
	}
}
