package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/process"
)

var binaries process.Binaries // built once, by TestMain

func TestMain(m *testing.M) {
	var err error
	if binaries, err = process.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	binaries.Remove()
	os.Exit(code)
}

// shop is a configuration whose routes reach the lab's echo upstream.
func shop(upstream string, paths ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "_format_version: \"3.0\"\nservices:\n- name: shop\n  url: http://%s/shop\n  routes:\n", upstream)
	for _, p := range paths {
		fmt.Fprintf(&b, "  - name: %s\n    paths: [/%s]\n    strip_path: false\n", p, p)
	}
	return b.String()
}

// write puts a text into a file of the test's folder.
func write(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// want fails the test when a command did not end with a code and print the texts.
func want(tb testing.TB, r process.Result, code int, texts ...string) process.Result {
	tb.Helper()
	if r.Code != code {
		tb.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", r.Code, code, r.Stdout, r.Stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.Stdout+r.Stderr, text) {
			tb.Errorf("no %q in\nstdout: %s\nstderr: %s", text, r.Stdout, r.Stderr)
		}
	}
	if strings.ContainsRune(r.Stdout+r.Stderr, '\x1b') {
		tb.Errorf("escape sequences where there is no terminal: %q", r.Stdout+r.Stderr)
	}
	return r
}

// decode reads what -o json printed.
func decode(tb testing.TB, r process.Result, into any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(r.Stdout), into); err != nil {
		tb.Fatalf("not JSON: %v\n%s", err, r.Stdout)
	}
}

// revisions counts the revisions of the group.
func revisions(tb testing.TB, f *labfleet.Fleet) int {
	tb.Helper()
	var answer struct{ Revisions []struct{ Number string } }
	decode(tb, want(tb, f.CLI.Run(tb, "get", "revisions", "-g", lab.Group, "-o", "json"), 0), &answer)
	return len(answer.Revisions)
}

// routed fails the test unless every gateway answers a path with a status.
func routed(tb testing.TB, f *labfleet.Fleet, path string, status int) {
	tb.Helper()
	for _, m := range f.Gateways() {
		got, body, err := process.Get(m.Kong.Proxy + path)
		if err != nil || got != status {
			tb.Errorf("%s answers %s with %d, want %d: %v %s", m.Name, path, got, status, err, body)
		}
	}
}
