package security

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// TestAFleetThatTellsCallersApart runs every part as a process with the certificates that silverback certs makes: the main job is
// done on an etcd that lets each service reach its own part only, those who may not are refused by name, a node's certificate is of no use
// for another node, and certificates that are replaced under way end nothing.
func TestAFleetThatTellsCallersApart(t *testing.T) {
	binaries, err := process.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	certs := filepath.Join(t.TempDir(), "certs")
	local := "127.0.0.1,localhost"
	issue := func(more ...string) {
		t.Helper()
		r := process.CLI{Path: binaries.Path("silverback")}.Run(t, append([]string{
			"certs", "--dir", certs, "--service", "registry=" + local, "--service", "translator=" + local, "--service", "distributor=" + local,
			"--node", process.Group + "/gw-1", "--node", process.Group + "/gw-2", "--user", "admin=admin", "--user", "viv=viewer", "--user",
			"sam=submitter",
			"--etcd", local,
		}, more...)...)
		if r.Code != 0 {
			t.Fatalf("silverback certs: %s", r.Stderr)
		}
	}
	issue()
	file := func(name string) string { return filepath.Join(certs, name) }
	etcd := etcdtest.StartSecure(t, tlsfiles.Files{Cert: file("etcd-member.crt"), Key: file("etcd-member.key"), CA: file("etcd-ca.crt")})
	authorize(t, etcd.Endpoints, file)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 2, Gateways: 2,
		Certs: certs})

	config := filepath.Join(t.TempDir(), "shop.yaml")
	put := func(path string) {
		t.Helper()
		text := fmt.Sprintf("_format_version: \"3.0\"\nservices:\n- name: shop\n  url: http://127.0.0.1:9\n  routes:\n  - name: shop\n    "+
			"paths: [%s]\n", path)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(user string, code int, says string, args ...string) {
		t.Helper()
		cli := f.CLI()
		cli.Env = f.User(user)
		r := cli.Run(t, args...)
		if r.Code != code || !strings.Contains(r.Stdout+r.Stderr, says) {
			t.Errorf("%s as %s: exit code %d, want %d with %q\n%s%s", strings.Join(args, " "), user, r.Code, code, says, r.Stdout, r.Stderr)
		}
	}
	apply := []string{"apply", "-g", process.Group, "--wait", config}
	put("/one")
	run("viv", 1, "that takes the role submitter", apply...)
	run("sam", 0, "", apply...)
	run("viv", 0, "sam", "get", "revisions", "-g", process.Group)
	run("viv", 1, "that takes the role submitter", "dump", "-g", process.Group)
	run("sam", 1, "that takes the role admin", "delete", "node", "gw-2", "-g", process.Group)
	for _, g := range f.Gateways {
		if err := g.Serves(1); err != nil {
			t.Error(err)
		}
	}

	strangers(t, etcd.Endpoints, file)

	// A node's certificate, used for another node.
	stolen := process.Start(t, "stolen", binaries.Path("agent"), "--group="+process.Group, "--node=gw-2", "--kong-admin="+f.Gateways[0].Admin,
		"--kong-proxy="+f.Gateways[0].Proxy,
		"--kong-status="+f.Gateways[0].Status, "--registry="+f.Registries[0].GRPC, "--distributor="+f.Distributors[0].GRPC, "--state-dir="+
			filepath.Join(t.TempDir(), "state"),
		"--http-listen=", "--log-level=debug", "--ca-file="+file("ca.crt"), "--client-cert-file="+file("node-"+process.Group+"-gw-1.crt"),
		"--client-key-file="+file("node-"+process.Group+"-gw-1.key"))
	process.Eventually(t, process.StartTime, "the stolen certificate is refused", func() error {
		if log := stolen.Log(); !strings.Contains(log, "may not act for node "+process.Group+"/gw-2") {
			return fmt.Errorf("the agent says: %s", log)
		}
		return nil
	})
	stolen.Kill()

	// All certificates anew, while everything runs; the next revision goes its way.
	for _, name := range []string{"service-registry", "service-translator", "service-distributor", "node-" + process.Group + "-gw-1",
		"node-" + process.Group + "-gw-2"} {
		if err := os.Remove(file(name + ".crt")); err != nil {
			t.Fatal(err)
		}
	}
	issue()
	put("/two")
	run("sam", 0, "", apply...)
	f.Distributors[0].Kill()
	put("/three")
	run("sam", 0, "", apply...)
	for _, g := range f.Gateways {
		if err := g.Serves(3); err != nil {
			t.Error(err)
		}
	}
}
