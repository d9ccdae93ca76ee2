package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// loads returns how often somebody posted a configuration to each gateway.
func loads(t *testing.T, f *process.Fleet) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, g := range f.Gateways {
		n, err := g.Posts()
		if err != nil {
			t.Fatal(err)
		}
		all[g.Name] = n
	}
	return all
}

// unloaded fails the test when a gateway loaded anything since.
func unloaded(t *testing.T, f *process.Fleet, before map[string]int64, what string) {
	t.Helper()
	if now := loads(t, f); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("%s: gateways loaded %v times, and %v before", what, now, before)
	}
}

// does runs a command that must succeed, and say something.
func does(t *testing.T, c process.CLI, want string, args ...string) process.Result {
	t.Helper()
	r := c.Run(t, args...)
	if r.Code != 0 || !strings.Contains(r.Stdout+r.Stderr, want) {
		t.Fatalf("%v ended with %d, want %q:\n%s%s", args, r.Code, want, r.Stdout, r.Stderr)
	}
	return r
}

// keys counts the keys of the installation.
func keys(t *testing.T, etcd *etcdtest.Server, under string) int64 {
	t.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: etcd.Endpoints, Prefix: etcdkv.DefaultPrefix})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	all, _, err := etcdkv.List(t.Context(), client, under)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(all))
}

// TestABackupIsRestoredUnderGateways is the drill of docs/runbooks/restore-backup.md: a fleet is backed up while files are applied, its
// etcd is wiped, and each backup is restored into an empty one. No gateway loads anything, until an operator says so.
func TestABackupIsRestoredUnderGateways(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 2, Gateways: 2})
	cli := f.CLI()
	cli.Env = append(cli.Env, "SILVERBACK_ETCD_ENDPOINTS="+strings.Join(etcd.Endpoints, ","))
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	apply := func(round int) {
		t.Helper()
		does(t, cli, "", "apply", "-g", process.Group, "--wait", write(t, document(round)))
	}
	apply(1)
	does(t, cli, "records", "backup", "-o", file("old"))
	apply(2)
	does(t, cli, "", "create", "group", "spare")

	// Backups are made while files are applied to another group, and each is whole.
	ctx, stop := context.WithCancel(t.Context())
	applied := make(chan int, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if r := cli.Run(t, "apply", "-g", "spare", write(t, document(100+n))); r.Code != 0 {
				t.Errorf("apply beside a backup: %+v", r)
				break
			}
		}
		applied <- n
	}()
	for i := range 3 {
		does(t, cli, "records", "backup", "-o", file(fmt.Sprint("busy-", i)), "--base", file("old"))
		does(t, cli, "as they were written", "backup", "verify", file(fmt.Sprint("busy-", i)))
	}
	stop()
	during := <-applied
	busy := file("busy-2")
	shown := does(t, cli, process.Group, "backup", "show", busy).Stdout
	if !strings.Contains(shown, "spare") || during < 1 {
		t.Errorf("%d submissions ran beside the backups, and the last holds\n%s", during, shown)
	}
	for _, g := range f.Gateways {
		process.Eventually(t, convergeTime, g.Name+" serves round 2", func() error { return g.Serves(2) })
	}
	before := loads(t, f)

	// Nothing is restored under services that run, and their etcd is as it was.
	r := cli.Run(t, "restore", busy, "--replace", "--yes", "--wait=0s")
	if r.Code != 1 || !strings.Contains(r.Stderr, "services use this etcd") || !strings.Contains(r.Stderr, "distributor distributor-1") &&
		!strings.Contains(r.Stderr, "translator ") {
		t.Errorf("a restore under services ended with %+v", r)
	}

	// The newest backup: whatever was acknowledged before it is there, and no gateway loads anything.
	wipe := func(backup string, more ...string) string {
		t.Helper()
		for _, s := range f.Services() {
			s.Kill()
		}
		etcd.Restore(t, "")
		r := does(t, cli, "Start the services", append([]string{"restore", backup, "--yes"}, more...)...)
		again(t, f)
		return r.Stdout + r.Stderr
	}
	t.Log(wipe(busy))
	process.Eventually(t, convergeTime, "status is in sync", func() error {
		if r := cli.Run(t, "status", "-g", process.Group); r.Code != 0 {
			return errors.New(r.Stdout + r.Stderr)
		}
		return nil
	})
	unmoved(t, f, 2, 0)
	unloaded(t, f, before, "after the newest backup")
	revisions := does(t, cli, "", "get", "revisions", "-g", process.Group).Stdout
	for _, want := range []string{"1", "2"} {
		if !strings.Contains(revisions, process.Group+"   "+want+" ") {
			t.Errorf("revision %s is not there:\n%s", want, revisions)
		}
	}
	if n := keys(t, etcd, "desired/heads/"); n != 2 {
		t.Errorf("it has %d groups with revisions", n)
	}
	// It is a ledger like any other: a new revision is delivered, and a new decision has a larger number than all before.
	apply(3)
	serving(t, f, 3, 3)
	before = loads(t, f)

	// The old backup: gateways are ahead of it by two revisions. Nobody goes back, everything is named, and an operator decides.
	text := wipe(file("old"))
	if strings.Contains(text, "spare") {
		t.Errorf("the old backup has a group of later:\n%s", text)
	}
	tells(t, cli, "2 nodes are ahead of it", "status")
	tells(t, cli, "revision 3 (", "status")
	r = cli.Run(t, "status")
	t.Logf("silverback status\n%s", r.Stdout)
	if !strings.Contains(r.Stdout, "which 2 gateways serve, is not in the ledger") {
		t.Errorf("what is lost is not named:\n%s", r.Stdout)
	}
	// Submissions to the restored ledger use the numbers that were lost, and more. They wait.
	for round := 4; round < 12; round++ {
		does(t, cli, "", "apply", "-g", process.Group, write(t, document(round)))
	}
	for _, s := range f.Distributors { // another leader, in another term
		s.Kill()
		s.Restart()
		s.WaitReady()
	}
	tells(t, cli, "2 nodes are ahead of it", "status")
	<-time.After(3 * time.Second) // nothing may happen
	unmoved(t, f, 3, 0)
	unloaded(t, f, before, "after the old backup")
	// The newest file brings what gateways serve. With it a recovery changes no gateway.
	does(t, cli, "", "apply", "-g", process.Group, write(t, document(3)))
	recovered(t, f, 1)
	process.Eventually(t, convergeTime, "status is in sync", func() error {
		if r := cli.Run(t, "status", "-g", process.Group); r.Code != 0 {
			return errors.New(r.Stdout + r.Stderr)
		}
		return nil
	})
	unmoved(t, f, 3, 1)
	unloaded(t, f, before, "after the recovery")
	apply(20)
	unmoved(t, f, 20, 1)

	// A ledger is there now. It is not replaced unless that is said, and after that what the backup lacks is gone.
	for _, s := range f.Services() {
		s.Stop()
	}
	r = cli.Run(t, "restore", file("old"))
	if r.Code != 1 || !strings.Contains(r.Stderr, "--replace") || !strings.Contains(r.Stdout, "revisions 2 to ") {
		t.Errorf("a restore into a ledger ended with %+v", r)
	}
	t.Logf("silverback restore\n%s%s", r.Stdout, r.Stderr)
	held := keys(t, etcd, "desired/revisions/")
	does(t, cli, "Nothing was written", "restore", file("old"), "--replace", "--dry-run")
	if now := keys(t, etcd, "desired/revisions/"); now != held {
		t.Errorf("a dry run left %d of %d revisions", now, held)
	}
	does(t, cli, "Start the services", "restore", file("old"), "--replace", "--yes")
	if now := keys(t, etcd, "desired/revisions/"); now != 1 {
		t.Errorf("the old backup has 1 revision, and %d are there", now)
	}
	before = loads(t, f)
	again(t, f)
	tells(t, cli, "2 nodes are ahead of it", "status")
	unmoved(t, f, 20, 1)
	unloaded(t, f, before, "after a backup of an earlier epoch")
	recovered(t, f, 2)
	serving(t, f, 1, 1)
}
