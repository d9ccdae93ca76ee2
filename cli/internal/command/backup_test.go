package command_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// ledgerOf is an etcd with a group without revisions.
func ledgerOf(t *testing.T, etcd *etcdtest.Server) *clientv3.Client {
	t.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: etcd.Endpoints, Prefix: etcdkv.DefaultPrefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// at runs a command on an etcd.
func at(t *testing.T, etcd *etcdtest.Server, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app.App{Out: &stdout, Err: &stderr, In: strings.NewReader(""), Now: func() time.Time { return screenTime },
		LookupEnv: func(name string) (string, bool) {
			if name == "SILVERBACK_ETCD_ENDPOINTS" {
				return strings.Join(etcd.Endpoints, ","), true
			}
			value, ok := env[name]
			return value, ok
		}}
	code = command.Run(t.Context(), a, "test", args)
	return code, stdout.String(), stderr.String()
}

// keysUnder returns the keys of an installation.
func keysUnder(t *testing.T, client *clientv3.Client) (keys []string) {
	t.Helper()
	all, err := client.Get(t.Context(), "\x00", clientv3.WithFromKey(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range all.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys
}

func TestABackupIsMadeAndChecked(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	client := ledgerOf(t, etcd)
	for key, value := range map[string]string{"identity/groups/edge": "{}", "identity/nodes/edge/gw-1": "{}", "desired/heads/edge": "null"} {
		if _, err := client.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	id, err := age.GenerateX25519Identity()
	if err == nil {
		err = os.WriteFile(file("key"), []byte(id.String()), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	says := func(code int, want string, args ...string) {
		t.Helper()
		// The variable of the flag that has the same name is not that of the file.
		got, out, errs := at(t, etcd, map[string]string{"SILVERBACK_OUTPUT": "table"}, args...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%v ended with %d and said\n%s%s\nwant %d and %q", args, got, out, errs, code, want)
		}
	}
	says(1, "say where to: -o FILE", "backup")
	says(1, "unknown command", "backup", "verfy")
	says(0, "3 records, 0 objects of content", "backup", "-o", file("plain"))
	says(0, "It is not encrypted", "backup", "-o", file("plain-2"))
	says(1, "no backup replaces another", "backup", "-o", file("plain"))
	says(1, "a base lies in the folder of the backup", "backup", "-o", file("x"), "--base", "/elsewhere/base")
	says(0, "0 objects of content", "backup", "-o", file("with-base"), "--base", file("plain"))
	says(0, "etcd revision", "backup", "-o", file("sealed"), "--recipient", id.Recipient().String())
	says(1, "--identity", "backup", "verify", file("sealed"))
	says(0, "as they were written at 2026-11-29T12:00:00Z", "backup", "verify", file("sealed"), "--identity", file("key"))
	says(0, "edge", "backup", "show", file("sealed"), "--identity", file("key"))
	says(0, `"nodes": 1`, "backup", "show", file("plain"), "-o", "json")
	if info, err := os.Stat(file("plain")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the file: %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 5 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}
