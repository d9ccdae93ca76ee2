package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// pool is a configuration of one upstream with ten targets. Those whose numbers are in moved have another address.
func pool(t *testing.T, path string, moved ...int) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "_format_version: \"3.0\"\nservices:\n- name: pool\n  host: pool\n  routes:\n  - name: pool\n    paths: [%s]\n"+
		"upstreams:\n- name: pool\n  targets:\n", path)
	addresses := map[int]string{}
	for _, n := range moved {
		addresses[n] = fmt.Sprintf("192.0.2.%d:80", 100+n)
	}
	for n := range 10 {
		address, ok := addresses[n]
		if !ok {
			address = fmt.Sprintf("192.0.2.%d:80", n)
		}
		fmt.Fprintf(&text, "  - target: %s\n", address)
	}
	return suite.Write(t, "pool.yaml", text.String())
}

// TestChangedTargetsSkipTheWaves runs a group whose first wave soaks for an hour: what goes to everybody within the test has skipped it.
func TestChangedTargetsSkipTheWaves(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 3})
	cli := f.CLI()
	run := func(says []string, args ...string) {
		t.Helper()
		suite.Want(t, cli.Run(t, append(args, "-g", process.Group)...), 0, says...)
	}
	status := func(says ...string) {
		t.Helper()
		process.Eventually(t, suite.Patience, fmt.Sprint("rollout status says ", says), func() error {
			r := cli.Run(t, "rollout", "status", "-g", process.Group)
			for _, text := range says {
				if !strings.Contains(r.Stdout, text) {
					return fmt.Errorf("%q is missing in:\n%s", text, r.Stdout)
				}
			}
			return nil
		})
	}
	// holders counts the gateways that have a target, by what each answers at its Admin API.
	holders := func(target string) (n int) {
		t.Helper()
		for _, g := range f.Gateways {
			code, body, err := process.Get(g.Admin + "/upstreams/pool/targets")
			if err != nil || code != http.StatusOK {
				t.Fatalf("%s answers %d, %v", g.Name, code, err)
			}
			if strings.Contains(string(body), `"`+target+`"`) {
				n++
			}
		}
		return n
	}
	const bound, over = "only targets change, at most 10 % of the group's: to all at once", "and at most 20 % go at once"
	run(nil, "apply", "--wait", pool(t, "/pool"))
	suite.Want(t, cli.Run(t, "update", "group", process.Group, "--waves", "1:1h,100%", "--targets-at-once", "20%"), 0)

	// One of ten endpoints is another one: within the bound.
	run([]string{"only targets change, 10 % of the group's"}, "apply", "--dry-run", pool(t, "/pool", 1))
	run(nil, "apply", "--wait", pool(t, "/pool", 1))
	status("To:         revision 2", "completed: "+bound, "3 serving")
	if n := holders("192.0.2.101:80"); n != 3 {
		t.Errorf("%d of 3 gateways have the new target", n)
	}
	run([]string{"RolloutStarted", bound}, "events")

	// Five more are beyond it, and have the waves.
	run([]string{"only targets change, but 50 % of the group's, " + over}, "apply", "--dry-run", pool(t, "/pool", 1, 2, 3, 4, 5, 6))
	run(nil, "apply", pool(t, "/pool", 1, 2, 3, 4, 5, 6))
	status("To:         revision 3", "soaking", "1 in the waves so far, 1 serving")
	if n := holders("192.0.2.102:80"); n != 1 {
		t.Errorf("%d of 3 gateways have what soaks in the first wave", n)
	}
	run(nil, "rollout", "promote", "--reason", "they are good")
	status("To:         revision 3", "completed", "3 serving")

	// A route beside one target has the waves, and so have the targets after it.
	run(nil, "apply", pool(t, "/other", 1, 2, 3, 4, 5, 6))
	status("To:         revision 4", "soaking", "1 in the waves so far, 1 serving")
	run(nil, "apply", pool(t, "/other", 1, 2, 3, 4, 5))
	status("To:         revision 4", "soaking", "revision 5")
	if n := holders("192.0.2.6:80"); n != 0 {
		t.Errorf("%d gateways have a target that waits for the soak of a route", n)
	}
}
