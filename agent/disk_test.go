package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// happened says whether the agent's events have one of a type.
func (n *node) happened(kind string) bool {
	return slices.ContainsFunc(n.agent.Status().Events, func(e agent.Event) bool { return e.Type == kind })
}

func TestBootFileWithoutAFolder(t *testing.T) {
	n := newNode(t)
	folder := filepath.Join(t.TempDir(), "kong")
	n.config.BootFile = filepath.Join(folder, "kong.json")
	n.started()
	n.until("the condition, before anything is loaded", func() bool { return strings.Contains(n.condition("BootFile"), "the folder of") })
	n.direct(1, 10, nil, controlplanetest.Routes(t, "a"))
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_DISK {
		t.Fatalf("outcome %v", o)
	}
	if n.proxied("/a") != http.StatusOK {
		t.Error("what was proven is not served")
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for o := n.outcome(); o.GetAck() == nil; o = n.outcome() {
		t.Logf("again: %v", o)
	}
	n.until("the condition ends", func() bool { return n.condition("BootFile") == "" })
	if _, err := os.Stat(n.config.BootFile); err != nil {
		t.Error(err)
	}
	// The folder is removed while nothing is loaded.
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	n.until("the condition", func() bool { return n.condition("BootFile") != "" })
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	n.until("written without a load", func() bool { _, err := os.Stat(n.config.BootFile); return err == nil && n.condition("BootFile") == "" })
}

func TestBootFileOfSomebodyElse(t *testing.T) {
	n := newNode(t)
	if err := os.WriteFile(n.config.BootFile, []byte("{\"_format_version\":\"3.0\"}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	if n.happened("BootFileForeign") {
		t.Error("the file that was there before the first load is called foreign")
	}
	ours, err := os.ReadFile(n.config.BootFile)
	if err != nil {
		t.Fatal(err)
	}
	mended := func() bool {
		text, err := os.ReadFile(n.config.BootFile)
		return err == nil && string(text) == string(ours)
	}
	if err := os.WriteFile(n.config.BootFile, []byte(foreign), 0o640); err != nil {
		t.Fatal(err)
	}
	n.until("put right while running", func() bool {
		return mended() && n.happened("BootFileForeign") &&
			n.condition("BootFileForeign") != ""
	})
	if err := os.Remove(n.config.BootFile); err != nil {
		t.Fatal(err)
	}
	n.until("put back", mended)
	n.stop()
	if err := os.WriteFile(n.config.BootFile, []byte(foreign), 0o640); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.until("put right at a start", func() bool { return mended() && n.happened("BootFileForeign") })
	n.stop()
	n.start()
	n.until("serving", func() bool { return n.agent.Status().Serving() })
	if n.happened("BootFileForeign") {
		t.Error("our own file is called foreign")
	}
}

func TestBootFileThatOthersMayRead(t *testing.T) {
	n := newNode(t)
	widen := func(path string) {
		t.Helper()
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	told := func(mode fs.FileMode, words ...string) func() bool {
		return func() bool {
			info, err := os.Stat(n.config.BootFile)
			said := n.condition("FileTooOpen")
			return err == nil && info.Mode().Perm() == mode && n.happened("FileTooOpen") && !slices.ContainsFunc(words, func(w string) bool {
				return !strings.Contains(said, w)
			})
		}
	}
	if err := os.WriteFile(n.config.BootFile, []byte("{\"_format_version\":\"3.0\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	widen(n.config.BootFile)
	n.started()
	n.until("narrowed before there is anything to write", told(0o640, n.config.BootFile, "had mode 0644", "has 0640 now"))
	n.stop()

	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	if n.condition("FileTooOpen") != "" {
		t.Error("a file of mode 0640 is called too open")
	}
	widen(n.config.BootFile)
	n.until("narrowed while nothing is loaded", told(0o640, "0644"))
	n.stop()

	widen(n.config.BootFile)
	widen(filepath.Join(n.config.StateDir, "last-known-good"))
	n.started()
	n.until("narrowed at a start", told(0o640, "the boot file", "0644"))
	if info, err := os.Stat(filepath.Join(n.config.StateDir, "last-known-good")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the last known good: %v, %v", info.Mode(), err)
	}
	n.stop()
	if want := "level=WARN msg=\"boot file mode narrowed\""; strings.Count(n.log.String(), want) != 3 ||
		!strings.Contains(n.log.String(), " old_mode=0644 new_mode=0640") ||
		!strings.Contains(n.log.String(), "msg=\"state directory mode narrowed\"") {
		t.Errorf("the log does not say so three times:\n%s", n.log.String())
	}

	// A narrower mode is kept.
	if err := os.Chmod(n.config.BootFile, 0o600); err != nil {
		t.Fatal(err)
	}
	n.started()
	n.acked(2, 20, nil, controlplanetest.Routes(t, "b"))
	if info, err := os.Stat(n.config.BootFile); err != nil || info.Mode().Perm() != 0o600 || n.happened("FileTooOpen") {
		t.Errorf("%v, %v, %q", info.Mode(), err, n.condition("FileTooOpen"))
	}
}

func TestBootFileThatIsNone(t *testing.T) {
	n := newNode(t)
	if err := os.Mkdir(n.config.BootFile, 0o700); err != nil {
		t.Fatal(err)
	}
	n.started()
	n.until("the condition", func() bool { return strings.Contains(n.condition("BootFile"), "is not a regular file") })
	if err := os.Remove(n.config.BootFile); err != nil {
		t.Fatal(err)
	}
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	n.until("the condition ends", func() bool { return n.condition("BootFile") == "" })
}

func TestBootFileBehindALink(t *testing.T) {
	n := newNode(t)
	target := filepath.Join(t.TempDir(), "kong.json")
	if err := os.Symlink(target, n.config.BootFile); err != nil {
		t.Fatal(err)
	}
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	if info, err := os.Lstat(n.config.BootFile); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if text, err := os.ReadFile(target); err != nil || !strings.Contains(string(text), "silverback-proof") {
		t.Errorf("what it leads to was not written: %v", err)
	}
}

// A damaged or foreign state file does not end the agent. The previous generation is used, and the next load writes all files again.
func TestStateFilesThatAreNotOurs(t *testing.T) {
	tests := map[string]func(path string, whole []byte) error{
		"truncated": func(path string, whole []byte) error { return os.Truncate(path, int64(len(whole)/2)) },
		"empty":     func(path string, _ []byte) error { return os.Truncate(path, 0) },
		"another version": func(path string, whole []byte) error {
			return os.WriteFile(path, append([]byte("silverback-agent 9"), whole[18:]...), 0o600)
		},
		"somebody else's": func(path string, _ []byte) error { return os.WriteFile(path, []byte(foreign), 0o600) },
		"a directory": func(path string, _ []byte) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(path, "inside"), 0o700)
		},
		"a link": func(path string, whole []byte) error {
			if err := os.Rename(path, path+".elsewhere"); err != nil {
				return err
			}
			return os.Symlink(path+".elsewhere", path)
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.started()
			first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "b")
			n.acked(1, 10, nil, first)
			n.acked(2, 11, first, second)
			n.stop()
			for _, file := range []string{"last-known-good", "memory"} {
				path := filepath.Join(n.config.StateDir, file)
				whole, err := os.ReadFile(path)
				if err == nil {
					err = damage(path, whole)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			n.start()
			n.until("the generation before is served", func() bool { return n.agent.Status().Serving() && n.proxied("/a") == http.StatusOK })
			if n.condition("LastKnownGoodDamaged") == "" || n.condition("MemoryDamaged") == "" || !n.happened("LastKnownGoodDamaged") ||
				!n.happened("MemoryDamaged") {
				t.Errorf("status %+v", n.agent.Status())
			}
			n.hello()
			n.acked(3, 12, nil, second)
			n.until("the conditions end", func() bool { return n.condition("LastKnownGoodDamaged") == "" && n.condition("MemoryDamaged") == "" })
			n.stop()
			n.start()
			n.until("all was written anew", func() bool { return n.agent.Status().Serving() && n.agent.Status().Revision == 3 })
			if v := n.agent.Status(); n.condition("LastKnownGoodDamaged") != "" || n.condition("MemoryDamaged") != "" {
				t.Errorf("status %+v", v)
			}
		})
	}
}

// view is the /status of an agent process.
func (p *pair) view() (v agent.View) {
	resp, err := http.Get("http://" + p.config.HTTP.Listen + "/status")
	if err != nil {
		return v
	}
	defer func() { _ = resp.Body.Close() }()
	_ = json.NewDecoder(resp.Body).Decode(&v)
	http.DefaultClient.CloseIdleConnections()
	return v
}

func (p *pair) conditionOfProcess(kind string) string {
	for _, c := range p.view().Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

// ownTmpfs runs a command in its own mount namespace, with a small file system on a folder. It needs no root where users may create
// namespaces.
func ownTmpfs(folder, size string) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		c.Args = append([]string{"sh", "-c", `mount -t tmpfs -o size=` + size + ` tmpfs "$0" && exec "$@"`, folder, c.Path}, c.Args[1:]...)
		c.Path = "/bin/sh"
		c.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
}

// limitedFiles runs a command that may write no file over a size, in blocks of 512 or 1,024 bytes.
func limitedFiles(blocks int) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		c.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -f %d && exec "$0" "$@"`, blocks), c.Path}, c.Args[1:]...)
		c.Path = "/bin/sh"
	}
}

// A real file system refuses the agent's writes.
func TestDiskThatTakesNoMore(t *testing.T) {
	agentBinary, kongBinary := build(t, agentPackage), build(t, kongPackage)
	tests := []struct {
		name string
		wrap func(state string) func(*exec.Cmd)
		says string
	}{
		{"a full file system", func(state string) func(*exec.Cmd) { return ownTmpfs(state, "256k") }, "no space left on device"},
		{"a limit of the size of files", func(string) func(*exec.Cmd) { return limitedFiles(200) }, "file too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.says == "no space left on device" {
				// Where a process may not mount even in its own namespace, the limit stands for this.
				probe := exec.Command("/bin/true")
				ownTmpfs(t.TempDir(), "256k")(probe)
				if out, err := probe.CombinedOutput(); err != nil {
					t.Logf("no file system of one's own here: %v %s", err, out)
					return
				}
			}
			p := newStoppedPair(t, agentBinary, kongBinary)
			if err := os.Mkdir(p.config.StateDir, 0o700); err != nil {
				t.Fatal(err)
			}
			p.sidecar.wrap = tt.wrap(p.config.StateDir)
			p.sidecar.start()
			p.hello()
			p.ask(1, controlplanetest.Routes(t, "base"))
			p.answer()
			stop := p.watchRoute("/base")
			p.ask(2, large(t, 2000, "base"))
			o := p.outcomeOfProcess()
			if o.GetFailure().GetReason() != distributorv1.Failure_REASON_DISK || !strings.Contains(o.GetFailure().GetMessage(), tt.says) {
				t.Errorf("outcome %v", o)
			}
			p.eventually("the condition", func() bool { return strings.Contains(p.conditionOfProcess("StateDirectory"), tt.says) })
			if n := p.admin.holding("a-route-with-a-name"); n != 0 {
				t.Errorf("what cannot be kept was posted %d times", n)
			}
			p.ask(3, controlplanetest.Routes(t, "base", "small"))
			if o := p.answer(); o.GetAck() == nil {
				t.Errorf("outcome %v", o)
			}
			p.eventually("the condition ends", func() bool { return p.conditionOfProcess("StateDirectory") == "" })
			if p.route("/small") != http.StatusOK || stop() == 0 {
				t.Error("not served")
			}
		})
	}
}

// TestAFullDiskIsReportedBeforeALoad uses a disk with little space left.
func TestAFullDiskIsReportedBeforeALoad(t *testing.T) {
	p := newStoppedPair(t, build(t, agentPackage), build(t, kongPackage), "--drift-interval=200ms")
	if err := os.Mkdir(p.config.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	p.sidecar.wrap = limitedFiles(40)
	p.sidecar.start()
	p.hello()
	p.ask(1, controlplanetest.Routes(t, "base"))
	if o := p.answer(); o.GetAck() == nil {
		t.Errorf("outcome %v", o)
	}
	p.eventually("the condition", func() bool { return strings.Contains(p.conditionOfProcess("StateDirectory"), "file too large") })
}

// TestReadOnlyStateDirectory runs an agent on a directory that it may read and not write, as a user who has no way around that.
func TestReadOnlyStateDirectory(t *testing.T) {
	agentBinary, kongBinary := build(t, agentPackage), build(t, kongPackage)
	p := newStoppedPair(t, agentBinary, kongBinary)
	p.sidecar.start()
	p.hello()
	p.ask(1, controlplanetest.Routes(t, "base"))
	p.answer()
	p.sidecar.kill()
	const nobody = 65534
	open := func(path string) {
		// Folders of tests are for their owner only.
		for dir := path; strings.HasPrefix(dir, os.TempDir()) && dir != os.TempDir(); dir = filepath.Dir(dir) {
			if info, err := os.Stat(dir); err == nil {
				_ = os.Chmod(dir, info.Mode().Perm()|0o055)
			}
		}
	}
	open(p.config.StateDir)
	open(filepath.Dir(agentBinary))
	if err := os.Chmod(filepath.Dir(p.config.BootFile), 0o777); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(p.config.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		for _, e := range entries {
			if err := os.Chown(filepath.Join(p.config.StateDir, e.Name()), nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		p.sidecar.wrap = func(c *exec.Cmd) {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
	}
	if err := os.Chmod(p.config.StateDir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(p.config.StateDir, 0o700) })
	// The gateway lost everything, its boot file too, and the control plane is away.
	p.controlPlane.Stop()
	p.gateway.kill()
	if err := os.WriteFile(p.config.BootFile, []byte("{\"_format_version\":\"3.0\"}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	p.gateway.start()
	p.answers()
	p.sidecar.start()
	p.eventually("the last known good is given back", func() bool { return p.route("/base") == http.StatusOK })
	p.eventually("the condition", func() bool { return strings.Contains(p.conditionOfProcess("StateDirectory"), "permission denied") })
	p.controlPlane.Serve(t)
	p.hello()
	p.ask(2, controlplanetest.Routes(t, "base", "more"))
	if o := p.outcomeOfProcess(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_DISK {
		t.Errorf("outcome %v", o)
	}
	if p.route("/base") != http.StatusOK || p.route("/more") == http.StatusOK {
		t.Error("what cannot be kept is served")
	}
	if err := os.Chmod(p.config.StateDir, 0o777); err != nil {
		t.Fatal(err)
	}
	if o := p.answer(); o.GetAck() == nil || p.route("/more") != http.StatusOK {
		t.Errorf("once it can be written: %v", o)
	}
	p.eventually("the condition ends", func() bool { return p.conditionOfProcess("StateDirectory") == "" })
}

// The second agent on one state directory ends with an error.
func TestASecondAgentEnds(t *testing.T) {
	agentBinary, kongBinary := build(t, agentPackage), build(t, kongPackage)
	p := newPair(t, agentBinary, kongBinary)
	args := append(slices.Clone(p.sidecar.args), "--node=n2", "--http-listen=127.0.0.1:0")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, agentBinary, args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another agent uses the state directory") ||
		!strings.Contains(string(out), p.config.StateDir) {
		t.Errorf("%v: %s", err, out)
	}
}
