package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// outsider is what a Kong outside of the fleet serves: names and none, credentials, what refers and what is nested.
func outsider(echo string) string {
	return `_format_version: "3.0"
services:
- name: orders
  url: http://` + echo + `/orders-v1
  routes:
  - name: orders
    paths: [/orders]
  - paths: [/unnamed]
    plugins:
    - {name: basic-auth}
- name: spread
  host: spread
  protocol: http
  port: 80
  path: /spread
  routes:
  - {name: spread, paths: [/spread]}
upstreams:
- name: spread
  targets:
  - {target: "` + echo + `"}
consumers:
- username: ann
  basicauth_credentials: [{username: ann, password: secret-of-ann}]
  keyauth_credentials: [{key: key-of-ann}]
`
}

// TestAWayInAndOut imports what a Kong outside of the fleet serves, takes it out again for another Kong and for decK, and goes back to an
// earlier state of one source. Every time the same is served, under the same ids.
func TestAWayInAndOut(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 2})
	stranger := kongtest.Start(t)
	load(t, stranger.AdminURL(), outsider(f.Echo()))
	inside := func(args ...string) []string { return append(args, "-g", lab.Group, "-s", "outside") }

	dry := suite.Want(t, f.CLI.Run(t, inside("import", "kong", "--admin", stranger.AdminURL(), "--dry-run")...), 0, "dry run: ",
		"nothing was committed")
	if !strings.Contains(dry.Stderr, "reading the configuration of Kong 3.9.3") {
		t.Errorf("nobody is told what it does: %q", dry.Stderr)
	}
	saved := filepath.Join(t.TempDir(), "saved.yaml")
	suite.Want(t, f.CLI.Run(t, inside("import", "kong", "--admin", stranger.AdminURL(), "--wait", "--save", saved)...), 0,
		"revision 1 committed")
	if info, err := os.Stat(saved); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("what was saved is not the owner's alone: %v, %v", info, err)
	}
	served := []string{stranger.ProxyURL(), outside(f)[0].Proxy, outside(f)[1].Proxy}
	answersAlike(t, served...)
	again := suite.Want(t, f.CLI.Run(t, inside("import", "kong", "--admin", stranger.AdminURL())...), 1)
	if !strings.Contains(again.Stderr, "exists already") || !strings.Contains(again.Stderr, "-s") {
		t.Errorf("an import took the place of a source: %q", again.Stderr)
	}

	other := kongtest.Start(t)
	dump := suite.Want(t, f.CLI.Run(t, "dump", "-g", lab.Group, "--format", "kong"), 0).Stdout
	load(t, other.AdminURL(), dump)
	answersAlike(t, stranger.ProxyURL(), other.ProxyURL())
	if diff := cmp.Diff(entitiesAt(t, stranger.AdminURL()), entitiesAt(t, other.AdminURL())); diff != "" {
		t.Errorf("another Kong has other entities (-before +after):\n%s", diff)
	}

	deck := suite.Write(t, "deck.yaml", suite.Want(t, f.CLI.Run(t, "dump", "-g", lab.Group, "--format", "deck"), 0).Stdout)
	suite.Want(t, f.CLI.Run(t, "create", "group", "copy"), 0)
	suite.Want(t, f.CLI.Run(t, "import", "file", deck, "-g", "copy"), 0, "revision 1 committed")
	if a, b := digestOf(t, f.CLI, lab.Group), digestOf(t, f.CLI, "copy"); a != b {
		t.Errorf("what decK reads is another configuration: %s and %s", a, b)
	}

	shop := suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), "later"))
	suite.Want(t, f.CLI.Run(t, inside("apply", "--allow-shrink", "--wait", shop)...), 0, "revision 2 committed")
	back := suite.Want(t, f.CLI.Run(t, inside("dump", "--revision", "1")...), 0)
	suite.Want(t, f.CLI.Run(t, inside("apply", "--allow-shrink", "--wait", suite.Write(t, "back.yaml", back.Stdout))...), 0,
		"revision 3 committed")
	if a, b := digestOf(t, f.CLI, lab.Group), digestOf(t, f.CLI, "copy"); a != b {
		t.Errorf("the source is not what it was: %s and %s", a, b)
	}
	answersAlike(t, served...)
}

func load(t *testing.T, admin, text string) {
	t.Helper()
	answer, err := http.Post(admin+"/config", "text/yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if said, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusCreated {
		t.Fatalf("a gateway refuses it: %d %s\n%s", answer.StatusCode, said, text)
	}
}

// answersAlike asks gateways the same, until all have switched to what they were given.
func answersAlike(t *testing.T, proxies ...string) {
	t.Helper()
	for _, proxy := range proxies {
		for path, by := range map[string]map[string]int{
			"/orders": {"": 200}, "/spread": {"": 200}, "/unnamed": {"": 401, "ann:secret-of-ann": 200, "ann:other": 401}, "/none": {"": 404},
		} {
			for who, want := range by {
				process.Eventually(t, time.Minute, proxy+path+" answers", func() error {
					if got, err := login(proxy+path, who); err != nil || got != want {
						return fmt.Errorf("%q: %d, %w, want %d", who, got, err, want)
					}
					return nil
				})
			}
		}
	}
}

// entitiesAt reads what a gateway has, by kind and id, without the times of the load.
func entitiesAt(t *testing.T, admin string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, kind := range []string{"services", "routes", "upstreams", "consumers", "plugins", "key-auths", "basic-auths"} {
		_, text, err := process.Get(admin + "/" + kind + "?size=1000")
		if err != nil {
			t.Fatal(err)
		}
		var page struct{ Data []map[string]any }
		if err := json.Unmarshal(text, &page); err != nil || len(page.Data) == 0 {
			t.Fatalf("%s: %v: %s", kind, err, text)
		}
		for _, e := range page.Data {
			delete(e, "created_at")
			delete(e, "updated_at")
			all[fmt.Sprint(kind, " ", e["id"])] = e
		}
	}
	return all
}

func digestOf(t *testing.T, cli process.CLI, group string) string {
	t.Helper()
	var revision struct{ Digest string }
	suite.Decode(t, cli.Run(t, "get", "revisions", "-g", group, "-o", "json"), &struct {
		Revisions []*struct{ Digest string }
	}{[]*struct{ Digest string }{&revision}})
	return revision.Digest
}
