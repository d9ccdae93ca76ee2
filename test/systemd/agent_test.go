package systemd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
)

func TestTheAgentIsLockedUpAndCheckedFirst(t *testing.T) {
	u := unit(t, "silverback-agent.service")
	const start = "/usr/local/bin/silverback-agent --config /etc/silverback/agent.yaml"
	for key, want := range map[string]string{
		"ExecStart": start, "ExecStartPre": start + " --check", "User": "silverback-agent", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "",
		"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "MemoryDenyWriteExecute": "yes",
		"RestrictNamespaces": "yes", "Restart": "always", "StartLimitIntervalSec": "0", "KillSignal": "SIGTERM",
		"StateDirectory": "silverback-agent", "StateDirectoryMode": "0700", "ReadWritePaths": "/var/lib/silverback-kong",
	} {
		if got := u[key]; !slices.Equal(got, []string{want}) {
			t.Errorf("silverback-agent.service has %s=%q, want %q", key, got, want)
		}
	}
	grace := setting(t, read(t, deploy("etc", "agent.yaml")), "drain-grace: ")
	stop, err := time.ParseDuration(u["TimeoutStopSec"][0])
	if d, graceErr := time.ParseDuration(grace); err != nil || graceErr != nil || stop < d+10*time.Second {
		t.Errorf("the unit kills after %s an agent that drains for %s", stop, grace)
	}
}

// setting returns what stands behind the first line that begins so.
func setting(t *testing.T, text, begin string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, begin); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no line begins with %q", begin)
	return ""
}

// The files that belong together name each other's users, folders and ports.
func TestTheFilesOfANodeAgree(t *testing.T) {
	conf, settings := read(t, deploy("etc", "kong.conf")), read(t, deploy("etc", "agent.yaml"))
	made := read(t, deploy("systemd", "tmpfiles.d", "silverback-agent.conf"))
	boot := setting(t, settings, "boot-file: ")
	if got := setting(t, conf, "declarative_config = "); got != boot {
		t.Errorf("Kong starts from %s, the agent writes %s", got, boot)
	}
	if want := "d " + filepath.Dir(boot) + " 2750 silverback-agent kong"; !strings.Contains(made, want) {
		t.Errorf("nothing makes the folder of the boot file so that Kong's group can read what is in it: %q", want)
	}
	if want := "f " + boot + " 0640 silverback-agent kong - _format_version"; !strings.Contains(made, want) {
		t.Errorf("nothing makes the first boot file: %q", want)
	}
	for key, flag := range map[string]string{"admin_listen = ": "kong-admin: http://", "status_listen = ": "kong-status: http://"} {
		if listens, asked := setting(t, conf, key), setting(t, settings, flag); listens != asked {
			t.Errorf("%s%s, and %s%s", key, listens, flag, asked)
		}
	}
	if user := read(t, deploy("systemd", "sysusers.d", "silverback-agent.conf")); !strings.Contains(user, "\nu silverback-agent ") {
		t.Errorf("nothing makes the agent's user: %s", user)
	}
	if state := setting(t, settings, "state-dir: "); state != "/var/lib/"+unit(t, "silverback-agent.service")["StateDirectory"][0] {
		t.Errorf("the state is in %s", state)
	}
}

func TestTheAgentsExampleIsAccepted(t *testing.T) {
	binaries, err := process.Build("agent", "silverback")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	run := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(context.Background(), binaries.Path(name), args...)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		said, err := cmd.CombinedOutput()
		return string(said), err
	}
	etc := t.TempDir()
	if said, err := run("silverback", "certs", "--dir", filepath.Join(etc, "tls"), "--node", "default/gw-1=gw-1"); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, end := range []string{".crt", ".key"} {
		made, err := filepath.Glob(filepath.Join(etc, "tls", "*gw-1"+end))
		if err != nil || len(made) != 1 {
			t.Fatalf("certificates %v, %v", made, err)
		}
		if err := os.Rename(made[0], filepath.Join(etc, "tls", "node"+end)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(text string) (string, error) {
		file := filepath.Join(t.TempDir(), "agent.yaml")
		text = strings.NewReplacer("/etc/silverback/", etc+"/", "/var/lib/", etc+"/").Replace(text)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return run("agent", "--config", file, "--check")
	}
	text := read(t, deploy("etc", "agent.yaml"))
	if said, err := check(text); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	if said, err := check(text + "drain-grase: 1s\n"); err == nil {
		t.Errorf("an unknown setting is accepted: %s", said)
	}
	if said, err := check(strings.ReplaceAll(text, "http-cert-file", "# http-cert-file")); err == nil {
		t.Errorf("a listener beyond loopback without TLS is accepted: %s", said)
	}
}
