package agent_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/testkit/port"
	"github.com/silverback-gateway/silverback/testkit/process"
)

// startProcess runs the agent as a process of its own.
func (n *node) startProcess(more ...string) *process.Process {
	n.t.Helper()
	binary := build(n.t, agentPackage)
	c := n.config
	args := append([]string{"--group", c.Group, "--node", c.Node, "--registry", n.controlPlane.Address(), "--distributor",
		n.controlPlane.Address(),
		"--kong-admin", c.KongAdmin, "--kong-proxy", c.KongProxy, "--kong-status", c.KongStatus, "--state-dir", c.StateDir,
		"--boot-file", c.BootFile, "--http-listen", c.HTTP.Listen, "--log-level", "warn"}, more...)
	p, err := process.Start(process.Command{Name: "agent", Path: binary, Args: args, Env: os.Environ(), Output: os.Stderr})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(p.Kill)
	return p
}

// live is the heap of an agent process after a collection, in bytes.
func live(t *testing.T, address string) (bytes int) {
	t.Helper()
	// Twice, for what is kept for one more collection.
	for range 2 {
		if _, text := asked(t, address, "/debug/pprof/heap?gc=1"); text == "" {
			t.Fatal("the agent does not collect")
		}
	}
	_, text := asked(t, address, "/metrics")
	for line := range strings.Lines(text) {
		var value float64
		if _, err := fmt.Sscanf(line, "go_memstats_heap_alloc_bytes %g", &value); err == nil {
			return int(value)
		}
	}
	t.Fatal("the agent does not tell its heap")
	return 0
}

func large(t *testing.T, routes int, more ...string) *snapshot.Snapshot {
	names := make([]string, routes, routes+len(more))
	for i := range names {
		names[i] = fmt.Sprintf("a-route-with-a-name-of-some-length-%06d", i)
	}
	return controlplanetest.Routes(t, append(names, more...)...)
}

// The live heap holds one copy of the snapshot. Resident memory depends on the collector, and make bench measures it.
func TestALargeSnapshotIsInMemoryOnce(t *testing.T) {
	n := newNode(t)
	n.config.HTTP.Listen = port.Address(t)
	n.startProcess()
	n.hello()
	first := large(t, 8800)
	if size := first.Size(); size < 3<<20 {
		t.Fatalf("the snapshot has only %d bytes", size)
	}
	before := live(t, n.config.HTTP.Listen)
	base := first
	n.direct(1, 10, nil, first)
	if o := n.outcomeOfProcess(); o.GetAck() == nil {
		t.Fatalf("outcome %v", o)
	}
	for i := range 5 {
		next := large(t, 8800, fmt.Sprintf("more-%d", i))
		n.direct(int64(i+2), int64(i+11), base, next)
		if o := n.outcomeOfProcess(); o.GetAck() == nil {
			t.Fatalf("outcome %v", o)
		}
		base = next
	}
	limit, held := int(base.Size())*3/2, 0
	t.Cleanup(func() {
		t.Logf("of a snapshot of %d KB the agent holds %d KB, beside %d KB of its own", base.Size()>>10, held>>10, before>>10)
	})
	n.eventually("less than one and a half snapshots are held", func() bool {
		held = live(t, n.config.HTTP.Listen) - before
		return held < limit
	})
}

// An agent is killed during a load and started again. Then the gateway serves the snapshot.
func TestKilledWhileLoading(t *testing.T) {
	n := newNode(t)
	cmd := n.startProcess()
	n.hello()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.direct(1, 10, nil, first)
	n.outcomeOfProcess()
	release := n.kong.Hang()
	n.direct(2, 11, first, second)
	for n.kong.Posts() < 2 {
		if n.proxied("/a") != 200 {
			t.Fatal("the old route is not served")
		}
	}
	cmd.Kill()
	release()
	h := n.started()
	if h.GetDecision() != 11 {
		t.Errorf("the decision that was followed is forgotten: %d", h.GetDecision())
	}
	n.acked(2, 11, first, second)
	if n.proxied("/a") != 200 || n.proxied("/b") != 200 {
		t.Error("not served")
	}
}
