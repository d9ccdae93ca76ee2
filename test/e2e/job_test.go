package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
)

// TestTheMainJob submits, proves, submits again and looks at it with every command.
func TestTheMainJob(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{})
	file := write(t, "shop.yaml", shop(f.Echo(), "orders"))
	apply := []string{"apply", "-g", lab.Group, "--wait", "-m", "open the shop"}

	want(t, f.CLI.Run(t, "diff", "-g", lab.Group, "--non-zero-exit-code", file), 2, `+ route "orders"`, "2 added, 0 changed, 0 removed")
	want(t, f.CLI.Run(t, append(apply, file)...), 0, "revision 1 committed", "wave 1 of 2", "revision 1 is served by every online gateway of default (3)")
	if err := f.Serving(1); err != nil {
		t.Errorf("apply --wait ended before: %v", err)
	}
	routed(t, f, "/orders", 200)
	routed(t, f, "/refunds", 404)

	t.Run("the same again costs nothing", func(t *testing.T) {
		before, asked := f.Received(), posts(f)
		want(t, f.CLI.Run(t, append(apply, file)...), 0, "unchanged: default stays at revision 1")
		if n := revisions(t, f); n != 1 {
			t.Errorf("%d revisions after two applies of one file", n)
		}
		if after := f.Received(); !slices.Equal(before, after) {
			t.Errorf("agents received bytes: %v, then %v", before, after)
		}
		if after := posts(f); !slices.Equal(asked, after) {
			t.Errorf("gateways were posted to: %v, then %v", asked, after)
		}
	})

	edited := write(t, "shop.yaml", shop(f.Echo(), "orders", "refunds"))
	t.Run("a changed file is a new revision", func(t *testing.T) {
		want(t, f.CLI.Run(t, "diff", "-g", lab.Group, "--non-zero-exit-code", edited), 2, `+ route "refunds"`, "1 added, 0 changed, 0 removed")
		want(t, f.CLI.Run(t, append(apply, edited)...), 0, "revision 2 committed", "1 added, 0 changed, 0 removed")
		routed(t, f, "/orders", 200)
		routed(t, f, "/refunds", 200)
		want(t, f.CLI.Run(t, "diff", "-g", lab.Group, "--non-zero-exit-code", edited), 0, "no difference from revision 2")
	})

	t.Run("the commands agree with each other", func(t *testing.T) {
		want(t, f.CLI.Run(t, "status"), 0, "in sync", "3 known, 3 online, 3 serving the newest revision", "revision  2")
		want(t, f.CLI.Run(t, "rollout", "status", "-g", lab.Group), 0, "revision 2", "completed")
		want(t, f.CLI.Run(t, "rollout", "history", "-g", lab.Group), 0, "completed")
		var newest struct {
			Revision struct{ Number, Digest, Message string }
		}
		decode(t, want(t, f.CLI.Run(t, append(apply, edited, "-o", "json")...), 0), &newest)
		var nodes struct {
			Nodes []struct {
				Name, State string
				Status      struct{ Revision, Digest string }
			}
		}
		decode(t, want(t, f.CLI.Run(t, "get", "nodes", "-g", lab.Group, "-o", "json"), 0), &nodes)
		if len(nodes.Nodes) != 3 {
			t.Errorf("%d nodes", len(nodes.Nodes))
		}
		for _, n := range nodes.Nodes {
			if n.Status.Digest != newest.Revision.Digest || n.Status.Revision != "2" || n.State != "STATE_READY" {
				t.Errorf("node %+v, newest revision %+v", n, newest)
			}
		}
		if newest.Revision.Number != "2" || newest.Revision.Message != "open the shop" {
			t.Errorf("newest revision %+v", newest)
		}
	})

	t.Run("what dump prints is unchanged when applied", func(t *testing.T) {
		dump := want(t, f.CLI.Run(t, "dump", "-g", lab.Group), 0, "_format_version", "refunds")
		if strings.Contains(dump.Stdout, "silverback.internal") {
			t.Error("the dump holds the reserved route")
		}
		want(t, f.CLI.RunInput(t, strings.NewReader(dump.Stdout), append(apply, "-")...), 0, "unchanged")
		canonical := want(t, f.CLI.Run(t, "dump", "-g", lab.Group, "-o", "json"), 0)
		want(t, f.CLI.RunInput(t, strings.NewReader(canonical.Stdout), append(apply, "-")...), 0, "unchanged")
		rendered := want(t, f.CLI.Run(t, "render", "-o", "json", edited), 0)
		if rendered.Stdout != canonical.Stdout {
			t.Error("render and dump of one file differ")
		}
		first := want(t, f.CLI.Run(t, "dump", "-g", lab.Group, "--revision", "1"), 0)
		if strings.Contains(first.Stdout, "refunds") {
			t.Error("the dump of revision 1 holds what came with revision 2")
		}
	})

	t.Run("a deleted source is gone", func(t *testing.T) {
		more := write(t, "more.yaml", "_format_version: \"3.0\"\nroutes:\n- name: more\n  paths: [/more]\n  service: {name: shop}\n")
		want(t, f.CLI.Run(t, append(apply, "-s", "more", more)...), 0, "revision 3")
		routed(t, f, "/more", 200)
		want(t, f.CLI.Run(t, "delete", "source", "more", "-g", lab.Group), 0, "revision 4")
		want(t, f.CLI.Run(t, append(apply, edited)...), 0, "unchanged")
		routed(t, f, "/more", 404)
	})
}

// TestOneRouteOfTenThousand changes one route of a large configuration.
func TestOneRouteOfTenThousand(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{})
	apply := func(changed string) {
		t.Helper()
		var paths []string
		for i := range 10_000 {
			paths = append(paths, fmt.Sprintf("route-%05d", i))
		}
		paths[5_000] = changed
		want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", write(t, "many.yaml", shop(f.Echo(), paths...))), 0, "served by every online gateway")
	}
	apply("before")
	routed(t, f, "/before", 200)
	before := f.Received()
	apply("after")
	routed(t, f, "/after", 200)
	routed(t, f, "/before", 404)
	routed(t, f, "/route-09999", 200)
	for i, after := range f.Received() {
		if n := after - before[i]; n <= 0 || n >= 10_000 {
			t.Errorf("agent %d received %d bytes for one changed route, want some and under 10,000", i+1, n)
		}
	}
	t.Logf("received for one changed route: before %v, after %v", before, f.Received())
}

// posts counts the loads that each gateway was asked for.
func posts(f *labfleet.Fleet) []int {
	var all []int
	for _, m := range f.Gateways() {
		all = append(all, m.Simulated.Posts())
	}
	return all
}
