package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/planetest"
	"github.com/silverback-gateway/silverback/kit/snapshot"
)

// startProcess runs the agent as a process of its own.
func (n *node) startProcess(more ...string) *exec.Cmd {
	n.t.Helper()
	binary := build(n.t, agentPackage)
	c := n.config
	args := append([]string{"--group", c.Group, "--node", c.Node, "--registry", n.plane.Address(), "--distributor", n.plane.Address(),
		"--kong-admin", c.KongAdmin, "--kong-proxy", c.KongProxy, "--kong-status", c.KongStatus, "--state-dir", c.StateDir,
		"--boot-file", c.BootFile, "--http-listen", c.HTTP.Listen, "--log-level", "warn"}, more...)
	cmd := exec.Command(binary, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// peak is the most memory that a process had resident, in bytes.
func peak(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("read what the process has resident: %v", err)
	}
	var kb int
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			break
		}
	}
	return kb << 10
}

func large(t *testing.T, routes int, more ...string) *snapshot.Snapshot {
	names := make([]string, routes, routes+len(more))
	for i := range names {
		names[i] = fmt.Sprintf("a-route-with-a-name-of-some-length-%06d", i)
	}
	return planetest.Routes(t, append(names, more...)...)
}

func TestResidentMemoryWithALargeSnapshot(t *testing.T) {
	n := newNode(t)
	cmd := n.startProcess()
	n.hello()
	first := large(t, 8800)
	if size := first.Size(); size < 3<<20 {
		t.Fatalf("the snapshot has only %d bytes", size)
	}
	t.Logf("%d MB before anything was loaded", peak(t, cmd.Process.Pid)>>20)
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
	// The budget is measured by make bench, on a machine that does nothing else. Here the collector may come late; what must not
	// happen is that one more copy of the configuration stays.
	got := peak(t, cmd.Process.Pid)
	t.Logf("the agent had %d MB resident", got>>20)
	if got > 64<<20 {
		t.Errorf("the agent had %d MB resident", got>>20)
	}
}

// An agent that is killed while the gateway loads, and started again, comes to an end with the gateway serving.
func TestKilledWhileLoading(t *testing.T) {
	n := newNode(t)
	cmd := n.startProcess()
	n.hello()
	first, second := planetest.Routes(t, "a"), planetest.Routes(t, "a", "b")
	n.direct(1, 10, nil, first)
	n.outcomeOfProcess()
	release := n.kong.Hang()
	n.direct(2, 11, first, second)
	for n.kong.Posts() < 2 {
		if n.proxied("/a") != 200 {
			t.Fatal("the old route is not served")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
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
