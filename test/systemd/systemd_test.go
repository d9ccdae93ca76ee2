package systemd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/process"
)

var services = []string{"registry", "translator", "distributor"}

func deploy(path ...string) string {
	return filepath.Join(append([]string{"..", "..", "deploy"}, path...)...)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unit returns the values of every setting of a unit.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(read(t, deploy("systemd", name))) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Errorf("%s: %q is no setting", name, line)
		}
		all[key] = append(all[key], value)
	}
	return all
}

func TestTheServicesAreLockedUpAndCheckedFirst(t *testing.T) {
	for _, s := range services {
		u := unit(t, "silverback-"+s+".service")
		start := fmt.Sprintf("/usr/local/bin/silverback-%s --config /etc/silverback/%s.yaml", s, s)
		for key, want := range map[string]string{
			"ExecStart": start, "ExecStartPre": start + " --check", "User": "silverback", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "",
			"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "MemoryDenyWriteExecute": "yes",
			"RestrictNamespaces": "yes", "RestrictSUIDSGID": "yes", "Restart": "always", "StartLimitIntervalSec": "0",
		} {
			if got := u[key]; !slices.Equal(got, []string{want}) {
				t.Errorf("silverback-%s.service has %s=%q, want %q", s, key, got, want)
			}
		}
		soft := map[string]string{"512M": "GOMEMLIMIT=460MiB", "1G": "GOMEMLIMIT=920MiB"}
		if hard := u["MemoryMax"]; len(hard) != 1 || soft[hard[0]] == "" || !slices.Contains(u["Environment"], soft[hard[0]]) {
			t.Errorf("silverback-%s.service: MemoryMax=%q, Environment=%q: want a limit, and GOMEMLIMIT a tenth below", s, hard, u["Environment"])
		}
		if len(u["ReadWritePaths"])+len(u["StateDirectory"]) > 0 {
			t.Errorf("silverback-%s.service may write, and has nothing to write", s)
		}
	}
}

// TestTheReloadsAreLockedUp: they run as root and read what comes from elsewhere, but the check of nginx does all that its start does.
func TestTheReloadsAreLockedUp(t *testing.T) {
	for balancer, rights := range map[string][2]string{
		"haproxy": {"CAP_DAC_READ_SEARCH", "strict"},
		"nginx":   {"CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_NET_BIND_SERVICE", "full"},
	} {
		name := "silverback-" + balancer + "-reload.service"
		u := unit(t, name)
		for key, want := range map[string]string{
			"Type": "oneshot", "ExecStart": "/usr/bin/systemctl reload " + balancer + ".service",
			"CapabilityBoundingSet": rights[0], "ProtectSystem": rights[1],
			"NoNewPrivileges": "yes", "AmbientCapabilities": "", "ProtectHome": "read-only", "PrivateTmp": "yes", "PrivateDevices": "yes",
			"ProtectClock": "yes", "ProtectControlGroups": "yes", "ProtectHostname": "yes", "ProtectKernelLogs": "yes",
			"ProtectKernelModules": "yes", "ProtectKernelTunables": "yes", "RestrictNamespaces": "yes", "RestrictRealtime": "yes",
			"RestrictSUIDSGID": "yes", "LockPersonality": "yes", "SystemCallArchitectures": "native", "SystemCallFilter": "@system-service",
			"RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX",
		} {
			if got := u[key]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s has %s=%q, want %q", name, key, got, want)
			}
		}
		if check := u["ExecStartPre"]; len(check) != 1 || !strings.HasPrefix(check[0], "/usr/sbin/"+balancer+" ") {
			t.Errorf("%s checks nothing first: %q", name, check)
		}
		// systemd takes a reload from root, over a socket; expressions are compiled to code.
		for _, key := range []string{"User", "DynamicUser", "PrivateUsers", "MemoryDenyWriteExecute", "ProtectProc", "ProcSubset",
			"PrivateNetwork"} {
			if got := u[key]; len(got) > 0 {
				t.Errorf("%s has %s=%q, and cannot reload with it", name, key, got)
			}
		}
	}
}

// TestUnitsAreUnderstood asks systemd itself: what it does not know it only warns of, and then a unit is open.
func TestUnitsAreUnderstood(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is not here; it comes with the package systemd")
	}
	files, err := filepath.Glob(deploy("systemd", "*.service"))
	if err != nil || len(files) < 7 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		// The exit status also tells of binaries that are not on this machine.
		said, _ := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
		for line := range strings.Lines(string(said)) {
			if strings.Contains(line, filepath.Base(file)+":") && !strings.Contains(line, "is not executable") {
				t.Error(line)
			}
		}
	}
}

func TestTheExamplesAreAccepted(t *testing.T) {
	binaries, err := process.Build("registry", "translator", "distributor", "silverback")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	run := func(t *testing.T, name string, args ...string) (string, error) {
		t.Helper()
		cmd := exec.CommandContext(context.Background(), binaries.Path(name), args...)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		said, err := cmd.CombinedOutput()
		return string(said), err
	}
	// The certificates that docs/install.md makes, in another place.
	etc := t.TempDir()
	made := filepath.Join(etc, "made")
	args := []string{"certs", "--dir", made, "--etcd", "cp-1,cp-2,cp-3"}
	for _, s := range services {
		args = append(args, "--service", s+"=cp-1,cp-2,cp-3")
	}
	if said, err := run(t, "silverback", args...); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	files := map[string]string{"tls/ca.crt": "ca.crt", "tls/etcd-ca.crt": "etcd-ca.crt"}
	for _, s := range services {
		files["tls/etcd-"+s+".crt"], files["tls/etcd-"+s+".key"] = "etcd-client-"+s+".crt", "etcd-client-"+s+".key"
		files["tls/"+s+".crt"], files["tls/"+s+".key"] = "service-"+s+".crt", "service-"+s+".key"
	}
	if err := os.Mkdir(filepath.Join(etc, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, from := range files {
		if err := os.Rename(filepath.Join(made, from), filepath.Join(etc, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range services {
		t.Run(s, func(t *testing.T) {
			text := read(t, deploy("etc", s+".yaml"))
			check := func(text string) (string, error) {
				file := filepath.Join(t.TempDir(), s+".yaml")
				if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "/etc/silverback/", etc+"/")), 0o600); err != nil {
					t.Fatal(err)
				}
				return run(t, s, "--config", file, "--check")
			}
			if said, err := check(text); err != nil {
				t.Errorf("%v: %s", err, said)
			}
			if said, err := check(text + "listen-htpp: here\n"); err == nil {
				t.Errorf("an unknown setting is accepted: %s", said)
			}
			if said, err := check(strings.ReplaceAll(text, "/etcd-ca.crt", "/ca.crt")); err == nil ||
				!strings.Contains(said, "give etcd an authority of its own") {
				t.Errorf("one authority for callers and etcd is accepted: %v %s", err, said)
			}
			if said, err := check(strings.ReplaceAll(text, "client-ca-file", "# client-ca-file")); err == nil {
				t.Errorf("the example would be accepted if it let everybody in: %s", said)
			}
		})
	}
}
