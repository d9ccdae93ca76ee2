package security

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/test/process"
)

func shell(t *testing.T, arguments ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), "sh", append([]string{"../../deploy/etc/etcd-auth.sh"}, arguments...)...)
}

// script runs deploy/etc/etcd-auth.sh with an etcdctl that does nothing, and returns what that was asked for, word by word.
func script(t *testing.T, arguments ...string) (asked [][]string) {
	t.Helper()
	dir := t.TempDir()
	fake := "#!/bin/sh\necho \"$*\" >>" + dir + "/asked\n"
	if err := os.WriteFile(dir+"/etcdctl", []byte(fake), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	run := shell(t, arguments...)
	run.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if said, err := run.CombinedOutput(); err != nil {
		t.Fatalf("etcd-auth.sh: %v: %s", err, said)
	}
	text, err := os.ReadFile(dir + "/asked")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		asked = append(asked, strings.Fields(line))
	}
	return asked
}

// TestEtcdsUsersOfAnotherPrefix holds what the script grants with arguments to what it grants without: the prefix and the names are others,
// and no more.
func TestEtcdsUsersOfAnotherPrefix(t *testing.T) {
	other := strings.NewReplacer("user add root", "user add root", "grant-role root", "grant-role root", // one root is enough
		"user add ", "user add eu-", "grant-role ", "grant-role eu-", "silverback-", "silverback-eu-", "/silverback/v1/", "/silverback-eu/v1/")
	var want, got []string
	for _, words := range script(t) {
		want = append(want, other.Replace(strings.Join(words, " ")))
	}
	for _, words := range script(t, "/silverback-eu/v1/", "eu-") {
		got = append(got, strings.Join(words, " "))
	}
	if !slices.Equal(got, want) || len(got) < 18 {
		t.Errorf("the script asks for\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, wrong := range []string{"silverback/", "/silverback", "eu"} {
		if out, err := shell(t, wrong).CombinedOutput(); err == nil || !strings.Contains(string(out), wrong) {
			t.Errorf("%s is taken: %s", wrong, out)
		}
	}
}

// authorize does to an etcd what deploy/etc/etcd-auth.sh asks for, and turns etcd's questions on.
func authorize(t *testing.T, endpoints []string, file func(string) string) {
	t.Helper()
	root := as(t, endpoints, file, "etcd-client-root")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	user := func(name, role string) {
		must(root.UserAddWithOptions(ctx, name, "", &clientv3.UserAddOptions{NoPassword: true}))
		must(root.UserGrantRole(ctx, name, role))
	}
	must(root.RoleAdd(ctx, "root"))
	user("root", "root")
	for _, s := range []string{"registry", "translator", "distributor"} {
		must(root.RoleAdd(ctx, "silverback-"+s))
		user(s, "silverback-"+s)
	}
	granted, asked := 0, script(t)
	for _, words := range asked {
		// role grant-permission ROLE --prefix=true KIND PREFIX
		if len(words) != 6 || words[1] != "grant-permission" || words[3] != "--prefix=true" {
			continue
		}
		kind := map[string]clientv3.PermissionType{"read": clientv3.PermissionType(clientv3.PermRead),
			"readwrite": clientv3.PermissionType(clientv3.PermReadWrite)}[words[4]]
		must(root.RoleGrantPermission(ctx, words[2], words[5], clientv3.GetPrefixRangeEnd(words[5]), kind))
		granted++
	}
	if granted != 7 || !slices.Equal(asked[len(asked)-1], []string{"auth", "enable"}) {
		t.Fatalf("deploy/etc/etcd-auth.sh grants %d permissions", granted)
	}
	must(root.AuthEnable(ctx))
}

func as(t *testing.T, endpoints []string, file func(string) string, name string) *clientv3.Client {
	t.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: endpoints, TLS: tlsfiles.Files{CA: file("etcd-ca.crt"), Cert: file(name + ".crt"),
		Key: file(name + ".key")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// strangers checks that no certificate but a service's reaches etcd, and a service's no further than its own part.
func strangers(t *testing.T, endpoints []string, file func(string) string) {
	t.Helper()
	try := func(name, key string, write bool) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		client := as(t, endpoints, file, name)
		if write {
			_, err := client.Put(ctx, key, "x")
			return err
		}
		_, err := client.Get(ctx, key, clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err
	}
	node := "node-" + process.Group + "-gw-1"
	for _, tt := range []struct {
		who, key string
		write    bool
		may      bool
	}{
		{who: node, key: "/silverback/v1/content/"},
		{who: node, key: "/silverback/v1/desired/heads/" + process.Group, write: true},
		{who: "user-admin", key: "/silverback/v1/content/"},
		{who: "service-translator", key: "/silverback/v1/content/"}, // for callers, not for etcd
		{who: "etcd-member", key: "/silverback/v1/content/"},
		{who: "etcd-client-registry", key: "/silverback/v1/identity/", may: true},
		{who: "etcd-client-registry", key: "/silverback/v1/content/"},
		{who: "etcd-client-registry", key: "/silverback/v1/desired/x", write: true},
		{who: "etcd-client-distributor", key: "/silverback/v1/content/", may: true},
		{who: "etcd-client-distributor", key: "/silverback/v1/content/x", write: true},
		{who: "etcd-client-distributor", key: "/silverback/v1/desired/x", write: true},
		{who: "etcd-client-translator", key: "/silverback/v1/decided/x", write: true},
		{who: "etcd-client-translator", key: "/silverback/v1/identity/"},
	} {
		if err := try(tt.who, tt.key, tt.write); (err == nil) != tt.may {
			t.Errorf("%s at %s, writing %v: %v", tt.who, tt.key, tt.write, err)
		}
	}
}

// TestEtcdWithOneAuthorityIsRefused starts each service with the authority of its callers for etcd too.
func TestEtcdWithOneAuthorityIsRefused(t *testing.T) {
	binaries, err := process.Build("registry", "translator", "distributor", "silverback")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	certs := t.TempDir()
	run := func(name string, args ...string) (string, int) {
		r := process.CLI{Path: binaries.Path(name)}.Run(t, args...)
		return r.Stdout + r.Stderr, r.Code
	}
	if said, code := run("silverback", "certs", "--dir", certs, "--etcd", "localhost", "--service", "registry=localhost"); code != 0 {
		t.Fatal(said)
	}
	f := func(name string) string { return certs + "/" + name }
	both := f("both.crt")
	var text []byte
	for _, name := range []string{"etcd-ca.crt", "ca.crt"} {
		one, err := os.ReadFile(f(name))
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, one...)
	}
	if err := os.WriteFile(both, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"registry", "translator", "distributor"} {
		for ca, refused := range map[string]bool{f("etcd-ca.crt"): false, f("ca.crt"): true, both: true} {
			args := []string{"--check", "--cert-file=" + f("service-registry.crt"), "--key-file=" + f("service-registry.key"), "--client-ca-file=" +
				f("ca.crt"), "--etcd-ca-file=" + ca}
			if service != "registry" {
				args = append(args, "--registry=127.0.0.1:1")
			}
			if service == "distributor" {
				args = append(args, "--translator=127.0.0.1:1")
			}
			said, code := run(service, args...)
			if refused != (code != 0) || refused != strings.Contains(said, "give etcd an authority of its own") {
				t.Errorf("%s with %s for etcd: exit code %d, %s", service, ca, code, said)
			}
		}
	}
}
