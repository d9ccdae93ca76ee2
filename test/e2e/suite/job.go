package suite

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// theMainJob submits, proves, submits again and looks at it with every command.
func theMainJob(t *testing.T, f *Fleet) {
	file := Write(t, "shop.yaml", Shop(f.Upstream, "orders"))
	message := []string{"-m", "open the shop"}

	Want(t, f.CLI.Run(t, "status"), 0, "nothing submitted yet")
	f.do(t, 1, nil, "rollout", "status") // nothing was ever decided
	f.do(t, 2, says("+ route orders of service ", "2 added, 0 changed, 0 removed"), "diff", "--non-zero-exit-code", file)
	f.apply(t, 0, says("revision 1 committed", "wave 1 of 2", "revision 1 is served by every online gateway of "+f.Group+" "+f.all()),
		append(message, file)...)
	if err := f.serving(1); err != nil {
		t.Errorf("apply --wait ended before: %v", err)
	}
	Routed(t, f.Gateways, "/orders", http.StatusOK)
	Routed(t, f.Gateways, "/refunds", http.StatusNotFound)

	t.Run("the same again costs nothing", func(t *testing.T) { f.sameAgain(t, append(message, file)) })
	edited := Write(t, "shop.yaml", Shop(f.Upstream, "orders", "refunds"))
	t.Run("a changed file is a new revision", func(t *testing.T) { f.changedFile(t, edited, message) })
	t.Run("the commands agree with each other", func(t *testing.T) { f.commandsAgree(t, append(message, edited)) })
	t.Run("what dump prints is unchanged when applied", func(t *testing.T) { f.dumpIsUnchanged(t, edited) })
	t.Run("a deleted source is gone", func(t *testing.T) { f.deletedSource(t, edited) })
}

// sameAgain applies a file that the group serves already: no revision, no bytes, no load.
func (f *Fleet) sameAgain(t *testing.T, arguments []string) {
	before := f.views(t)
	f.apply(t, 0, says("unchanged: "+f.Group+" stays at revision 1"), arguments...)
	if n := Revisions(t, f.CLI, f.Group); n != 1 {
		t.Errorf("%d revisions after two applies of one file", n)
	}
	for i, after := range f.views(t) {
		if after.ReceivedBytes != before[i].ReceivedBytes || after.Loads != before[i].Loads {
			t.Errorf("%s received %d bytes, then %d, and loaded %d times, then %d", f.Gateways[i].Name,
				before[i].ReceivedBytes, after.ReceivedBytes, before[i].Loads, after.Loads)
		}
	}
}

// changedFile applies a file with one more route.
func (f *Fleet) changedFile(t *testing.T, edited string, message []string) {
	f.do(t, 2, says("+ route refunds of service ", "1 added, 0 changed, 0 removed"), "diff", "--non-zero-exit-code", edited)
	f.apply(t, 0, says("revision 2 committed", "1 added, 0 changed, 0 removed"), append(message, edited)...)
	Routed(t, f.Gateways, "/orders", http.StatusOK)
	Routed(t, f.Gateways, "/refunds", http.StatusOK)
	f.do(t, 0, says("no difference from revision 2"), "diff", "--non-zero-exit-code", edited)
}

// commandsAgree checks that status, rollouts, revisions and nodes report revision 2; the arguments apply it again.
func (f *Fleet) commandsAgree(t *testing.T, arguments []string) {
	n := len(f.Gateways)
	Want(t, f.CLI.Run(t, "status"), 0, "in sync", fmt.Sprintf("%d known, %d online, %d serving the newest revision", n, n, n), "revision  2")
	f.do(t, 0, says("revision 2", "completed"), "rollout", "status")
	f.do(t, 0, says("completed"), "rollout", "history")
	var newest struct {
		Revision struct {
			Number          int64
			Digest, Message string
		}
	}
	Decode(t, f.apply(t, 0, nil, append(arguments, "-o", "json")...), &newest)
	var nodes struct {
		Nodes []struct {
			Name, State string
			Status      struct {
				Revision int64
				Digest   string
			}
		}
	}
	Decode(t, f.do(t, 0, nil, "get", "nodes", "-o", "json"), &nodes)
	if len(nodes.Nodes) != n {
		t.Errorf("%d nodes", len(nodes.Nodes))
	}
	for _, n := range nodes.Nodes {
		if n.Status.Digest != newest.Revision.Digest || n.Status.Revision != 2 || n.State != "STATE_READY" {
			t.Errorf("node %+v, newest revision %+v", n, newest)
		}
	}
	if newest.Revision.Number != 2 || newest.Revision.Message != "open the shop" {
		t.Errorf("newest revision %+v", newest)
	}
}

// dumpIsUnchanged applies the output of dump, and compares it with that of render.
func (f *Fleet) dumpIsUnchanged(t *testing.T, edited string) {
	again := []string{"apply", "-g", f.Group, "--wait", "-"}
	dump := f.do(t, 0, says("_format_version", "refunds"), "dump")
	if strings.Contains(dump.Stdout, "silverback.internal") {
		t.Error("the dump holds the reserved route")
	}
	Want(t, f.CLI.RunInput(t, strings.NewReader(dump.Stdout), again...), 0, "unchanged")
	canonical := f.do(t, 0, nil, "dump", "-o", "json")
	Want(t, f.CLI.RunInput(t, strings.NewReader(canonical.Stdout), again...), 0, "unchanged")
	rendered := Want(t, f.CLI.Run(t, "render", "-o", "json", edited), 0)
	if rendered.Stdout != canonical.Stdout {
		t.Error("render and dump of one file differ")
	}
	first := f.do(t, 0, nil, "dump", "--revision", "1")
	if strings.Contains(first.Stdout, "refunds") {
		t.Error("the dump of revision 1 holds what came with revision 2")
	}
}

// deletedSource adds a source and deletes it.
func (f *Fleet) deletedSource(t *testing.T, edited string) {
	more := Write(t, "more.yaml", "_format_version: \"3.0\"\nroutes:\n- name: more\n  paths: [/more]\n  service: {name: shop}\n")
	f.apply(t, 0, says("revision 3"), "-s", "more", more)
	Routed(t, f.Gateways, "/more", http.StatusOK)
	f.do(t, 0, says("revision 4"), "delete", "source", "more")
	f.apply(t, 0, says("unchanged"), edited)
	Routed(t, f.Gateways, "/more", http.StatusNotFound)
}

// oneRouteOfTenThousand changes one route of a large configuration.
func oneRouteOfTenThousand(t *testing.T, f *Fleet) {
	apply := func(changed string) {
		t.Helper()
		var paths []string
		for i := range 10_000 {
			paths = append(paths, fmt.Sprintf("route-%05d", i))
		}
		paths[5_000] = changed
		f.apply(t, 0, says("served by every online gateway"), Write(t, "many.yaml", Shop(f.Upstream, paths...)))
	}
	apply("before")
	Routed(t, f.Gateways, "/before", http.StatusOK)
	before := f.views(t)
	apply("after")
	Routed(t, f.Gateways, "/after", http.StatusOK)
	Routed(t, f.Gateways, "/before", http.StatusNotFound)
	Routed(t, f.Gateways, "/route-09999", http.StatusOK)
	for i, after := range f.views(t) {
		n := after.ReceivedBytes - before[i].ReceivedBytes
		if n <= 0 || n >= 10_000 {
			t.Errorf("%s received %d bytes for one changed route, want some and under 10,000", f.Gateways[i].Name, n)
		}
		t.Logf("%s received %d bytes for one changed route, and %d before", f.Gateways[i].Name, n, before[i].ReceivedBytes)
	}
}
