package command_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// What an operator reads before and after a restore, and what each refusal says to do.
func TestABackupIsRestored(t *testing.T) {
	t.Parallel()
	from, to := etcdtest.Start(t), etcdtest.Start(t)
	source, target := ledgerOf(t, from), ledgerOf(t, to)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	says := func(etcd *etcdtest.Server, code int, args []string, want ...string) {
		t.Helper()
		got, out, errs := at(t, etcd, nil, args...)
		for _, w := range want {
			if got != code || !strings.Contains(out+errs, w) {
				t.Errorf("%v ended with %d and said\n%s%s\nwant %d and %q", args, got, out, errs, code, w)
			}
		}
	}
	revise := func(n int, digest string) {
		t.Helper()
		record := fmt.Sprintf(`{"number":%d,"digest":"sha256:%s","entities":{"routes":1}}`, n, strings.Repeat(digest, 64))
		for key, value := range map[string]string{
			"identity/groups/edge": "{}", "desired/heads/edge": record, fmt.Sprintf("desired/revisions/edge/%016x", n): record,
			"decided/assignments/edge": `{"v":1,"value":{"term":2}}`,
		} {
			if _, err := source.Put(t.Context(), key, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	revise(1, "a")
	says(from, 0, []string{"backup", "-o", file("old")}, "4 records")
	revise(2, "b")
	revise(3, "c")
	if _, err := source.Put(t.Context(), "identity/groups/new", "{}"); err != nil {
		t.Fatal(err)
	}

	says(to, 1, []string{"restore"}, "the file of a backup")
	says(to, 1, []string{"restore", file("none")}, "no such file")
	// Content is not in these small ledgers.
	says(to, 1, []string{"restore", file("old")}, "etcd      empty under /silverback/v1/", "--incomplete restores it all the same")
	incomplete := func(more ...string) []string {
		return append([]string{"restore", file("old"), "--incomplete"}, more...)
	}
	says(to, 0, incomplete("--dry-run"), "revision 1 (aaaaaaaaaaaa), decision ", "Nothing was written.")
	if n := len(keysUnder(t, target)); n != 0 {
		t.Errorf("a dry run wrote %d keys", n)
	}
	if _, err := target.Put(t.Context(), "observed/replicas/1", `{"replica":"d-1"}`); err != nil {
		t.Fatal(err)
	}
	says(to, 1, incomplete("--wait=1s"), "waiting until distributor d-1 is gone", "services use this etcd: distributor d-1",
		"stop all services before")
	if _, err := target.Delete(t.Context(), "observed/replicas/1"); err != nil {
		t.Fatal(err)
	}
	says(to, 0, incomplete(), "restored backup ", "4 keys written, 0 as they were, 0 deleted; decisions go on at number 200000000",
		"silverback status names them")
	says(to, 1, incomplete(), "this etcd holds a ledger already: the one of this backup", "--replace takes its place")

	// Into the ledger that went on.
	says(from, 1, incomplete(), "edge    revision 3 (cccccccccccc), decision ", "revisions 2 to 3", "new     no revision", "the group",
		"hold what they have until silverback recover", "--replace takes its place")
	says(from, 1, incomplete("--replace"), "there is no terminal to ask for confirmation")
	says(from, 0, incomplete("--replace", "--dry-run", "-o", "json"), `"lost": "revisions 2 to 3"`, `"later_decision": true`)
	says(from, 0, incomplete("--replace", "--yes"), "2 as they were, 3 deleted")
	if a, b := keysUnder(t, source), keysUnder(t, target); strings.Join(a, "|") != strings.Join(b, "|") {
		t.Errorf("one has %q and the other %q", a, b)
	}
	says(from, 0, []string{"backup", "show", file("old")}, "edge")

	// One that has not ended.
	if _, err := target.Put(t.Context(), "identity/restoring", `{"backup":"0123456789abcdef","file":"tuesday"}`); err != nil {
		t.Fatal(err)
	}
	says(to, 1, incomplete(), "a restore of backup 0123456789ab in tuesday has begun",
		"restore that one again, or take its place with --replace")
	says(to, 1, []string{"backup", "-o", file("half")}, "run silverback restore again before")
	says(to, 0, incomplete("--replace"), "restored backup ")
}
