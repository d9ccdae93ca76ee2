// Package suite is what every fleet of Silverback must do, looked at as its users do: the command line as a process, requests through the
// gateways' proxies, and what the agents say of themselves. It is run against a lab and against containers alike.
package suite

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
)

// Patience bounds the wait for what announces itself by no event. It says nothing of how long things take.
const Patience = 2 * time.Minute

// A Fleet is one that runs: three gateways at least, all joined, and nothing submitted yet. Of a gateway only its name and addresses are
// used.
type Fleet struct {
	Group    string
	CLI      process.CLI // of a user who may do everything
	Upstream string      // host:port at which gateways reach the echo upstream
	Gateways []*process.Gateway
}

// Run runs the suite on a fleet, as one long day of it: each test begins with what the one before has left.
func Run(t *testing.T, f *Fleet) {
	if len(f.Gateways) < 3 {
		t.Fatalf("the fleet has %d gateways", len(f.Gateways))
	}
	for _, tt := range []struct {
		name string
		test func(*testing.T, *Fleet)
	}{
		{"TheMainJob", theMainJob}, // first: it counts revisions from 1
		{"AGatewayRefuses", aGatewayRefuses},
		{"ANodeIsDrainedAndGivenBack", aNodeIsDrained},
		{"ProbesOfAGroup", probesOfAGroup},
		{"EveryCommandPrintsJSON", everyCommandPrintsJSON},
		{"BadFiles", badFiles},
		{"OneRouteOfTenThousand", oneRouteOfTenThousand},
		{"DeletesArePrintedForPrograms", deletesArePrinted}, // last: a node is deleted
	} {
		if !t.Run(tt.name, func(t *testing.T) { tt.test(t, f) }) {
			t.Fatal("what follows would begin with something else than it thinks")
		}
	}
}

// Shop is a configuration whose routes reach an echo upstream.
func Shop(upstream string, paths ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "_format_version: \"3.0\"\nservices:\n- name: shop\n  url: http://%s/shop\n  routes:\n", upstream)
	for _, p := range paths {
		fmt.Fprintf(&b, "  - name: %s\n    paths: [/%s]\n    strip_path: false\n", p, p)
	}
	return b.String()
}

// Write puts a text into a file of the test's folder.
func Write(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Want fails the test when a command did not end with a code and print the texts.
func Want(tb testing.TB, r process.Result, code int, texts ...string) process.Result {
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

// Decode reads what -o json printed.
func Decode(tb testing.TB, r process.Result, into any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(r.Stdout), into); err != nil {
		tb.Fatalf("not JSON: %v\n%s", err, r.Stdout)
	}
}

// Routed fails the test unless every gateway answers a path with a status.
func Routed(tb testing.TB, gateways []*process.Gateway, path string, status int) {
	tb.Helper()
	for _, g := range gateways {
		got, body, err := g.Route(path)
		if err != nil || got != status {
			tb.Errorf("%s answers %s with %d, want %d: %v %s", g.Name, path, got, status, err, body)
		}
	}
}

// Revisions counts the revisions of a group.
func Revisions(tb testing.TB, cli process.CLI, group string) int {
	tb.Helper()
	var answer struct{ Revisions []struct{ Number int64 } }
	Decode(tb, Want(tb, cli.Run(tb, "get", "revisions", "-g", group, "-o", "json"), 0), &answer)
	return len(answer.Revisions)
}

// do runs a command on the fleet's group and wants it to end with a code and to print texts.
func (f *Fleet) do(t *testing.T, code int, texts []string, args ...string) process.Result {
	t.Helper()
	return Want(t, f.CLI.Run(t, append(args, "-g", f.Group)...), code, texts...)
}

// apply applies a file and waits until it is served.
func (f *Fleet) apply(t *testing.T, code int, texts []string, args ...string) process.Result {
	t.Helper()
	return f.do(t, code, texts, append([]string{"apply", "--wait"}, args...)...)
}

// says collects texts.
func says(texts ...string) []string { return texts }

// views asks every agent how it is.
func (f *Fleet) views(t *testing.T) (all []process.AgentView) {
	t.Helper()
	for _, g := range f.Gateways {
		v, err := g.View()
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		all = append(all, v)
	}
	return all
}

// serving is nil when every agent has proven that its gateway serves a revision.
func (f *Fleet) serving(revision int64) error {
	for _, g := range f.Gateways {
		if err := g.Serves(revision); err != nil {
			return err
		}
	}
	return nil
}

// all is how commands count the gateways.
func (f *Fleet) all() string { return fmt.Sprintf("(%d)", len(f.Gateways)) }
