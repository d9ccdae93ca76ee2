package backup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/backup"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/presence"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// decide writes what the distributor would, and returns the etcd revision of it.
func decide(t *testing.T, kv clientv3.KV, group string, revision int) int64 {
	t.Helper()
	answer, err := kv.Txn(t.Context()).Then(
		clientv3.OpPut("decided/assignments/"+group, fmt.Sprintf(`{"v":1,"value":{"stable":{"revision":%d},"term":2,"term_id":77}}`, revision)),
		clientv3.OpPut(fmt.Sprintf("decided/events/%016x-00000001", revision), `{"v":1,"value":{"events":[{"reason":"RevisionCommitted"}]}}`),
		clientv3.OpPut("decided/targets/"+group, `{"v":1,"value":{"acts":[]}}`),
		clientv3.OpPut("decided/rollouts/"+group+"/1", `{"v":1,"value":{"id":"1"}}`)).Commit()
	must(t, err)
	return answer.Header.Revision
}

// all returns every key of an etcd with its value.
func all(t *testing.T, kv clientv3.KV) map[string]string {
	t.Helper()
	keys := map[string]string{}
	answer, err := kv.Get(t.Context(), "\x00", clientv3.WithFromKey())
	must(t, err)
	for _, item := range answer.Kvs {
		keys[string(item.Key)] = string(item.Value)
	}
	return keys
}

func revisionOf(t *testing.T, kv clientv3.KV) int64 {
	t.Helper()
	answer, err := kv.Get(t.Context(), "x")
	must(t, err)
	return answer.Header.Revision
}

// empty deletes everything.
func empty(t *testing.T, kv clientv3.KV) {
	t.Helper()
	_, err := kv.Delete(t.Context(), "\x00", clientv3.WithFromKey())
	must(t, err)
}

func restoration(kv clientv3.KV, path string) backup.Restoration {
	return backup.Restoration{KV: kv, Archive: backup.Archive{Path: path}, Silverback: "test", Now: manifest.Time}
}

func restore(t *testing.T, r backup.Restoration) (backup.Restored, error) {
	t.Helper()
	p, err := r.Plan(t.Context())
	if err != nil {
		return backup.Restored{}, err
	}
	return r.Restore(t.Context(), p)
}

// numbers returns the marks of the records that have one.
func numbers(t *testing.T, keys map[string]string) map[string]etcdkv.Mark {
	t.Helper()
	marks := map[string]etcdkv.Mark{}
	for key, value := range keys {
		var r struct {
			Version int `json:"v"`
			etcdkv.Mark
		}
		if json.Unmarshal([]byte(value), &r) == nil && r.Mark != (etcdkv.Mark{}) {
			if marks[key] = r.Mark; r.Version != 2 {
				t.Errorf("%s has a mark and version %d", key, r.Version)
			}
		}
	}
	return marks
}

// lifeOf returns the record of the epoch.
func lifeOf(t *testing.T, keys map[string]string) (epoch, shift int64, from backup.Origin) {
	t.Helper()
	var r struct {
		Value struct {
			Epoch    int64         `json:"epoch"`
			Shift    int64         `json:"shift"`
			Restored backup.Origin `json:"restored"`
		} `json:"value"`
	}
	must(t, json.Unmarshal([]byte(keys["decided/epoch"]), &r))
	return r.Value.Epoch, r.Value.Shift, r.Value.Restored
}

// A ledger goes through two restores, into an etcd that counts from the beginning. Each record has the number that it had, and what is
// decided next has a larger one than everything before.
func TestARestoreKeepsTheNumbers(t *testing.T) {
	kv := dial(t, etcdtest.Start(t))
	for range 50 {
		put(t, kv, "identity/nodes/default/gw-1", "{}") // etcd counts
	}
	revise(t, kv, 1, snapshotOf(t, kv, "one"))
	at := decide(t, kv, "default", 1)
	dir := t.TempDir()
	first := filepath.Join(dir, "first")
	taken := take(t, kv, first, nil)
	was := all(t, kv)

	other := dial(t, etcdtest.Start(t))
	done, err := restore(t, restoration(other, first))
	must(t, err)
	if done.Written != taken.Counts.Records+taken.Counts.Objects || done.Deleted != 0 || done.Number <= taken.Manifest.Revision {
		t.Errorf("it did %+v of %+v", done, taken.Counts)
	}
	now := all(t, other)
	marks := numbers(t, now)
	if len(marks) != 3 {
		t.Errorf("marked are %v", marks)
	}
	for key, mark := range marks {
		if mark != (etcdkv.Mark{At: at}) {
			t.Errorf("%s has the mark %+v, and its number was %d", key, mark, at)
		}
	}
	for key, value := range was {
		if _, marked := marks[key]; !marked && now[key] != value {
			t.Errorf("%s holds %q, and held %q", key, now[key], value)
		}
	}
	epoch, shift, from := lifeOf(t, now)
	if epoch != 0 || from.Backup != taken.ID || from.Revision != taken.Manifest.Revision || len(now) != len(was)+1 {
		t.Errorf("it is in epoch %d of %+v, with %d keys", epoch, from, len(now))
	}
	next := revisionOf(t, other) + 1 + shift
	if next <= at || next < done.Number || shift <= 0 {
		t.Errorf("the next decision is %d, after %d", next, at)
	}

	// The leader of the restored ledger decides, and that is backed up and restored.
	put(t, other, "decided/assignments/default", fmt.Sprintf(`{"v":2,"shift":%d,"value":{"term":3}}`, shift))
	if next != revisionOf(t, other)+shift {
		t.Fatalf("somebody wrote in between")
	}
	second := filepath.Join(dir, "second")
	take(t, other, second, nil)
	check, err := backup.Archive{Path: second}.Check()
	must(t, err)
	if g := check.Groups[0]; g.Decision != fleet.Decision(next) {
		t.Errorf("its group is %+v, and the last decision %d", g, next)
	}
	third := dial(t, etcdtest.Start(t))
	_, err = restore(t, restoration(third, second))
	must(t, err)
	now = all(t, third)
	marks = numbers(t, now)
	if got := marks["decided/assignments/default"]; got != (etcdkv.Mark{At: next}) {
		t.Errorf("the assignment has %+v, want %d", got, next)
	}
	if got := marks["decided/targets/default"]; got != (etcdkv.Mark{At: at}) {
		t.Errorf("the targets have %+v, want %d", got, at)
	}
	if _, shift, _ := lifeOf(t, now); revisionOf(t, third)+1+shift <= next {
		t.Errorf("the next number is no larger than %d", next)
	}
}

// dying ends after so many transactions that write; the last one is written or not.
type dying struct {
	clientv3.KV
	left    int
	written bool
}

var errDied = errors.New("the process died")

func (d *dying) Txn(ctx context.Context) clientv3.Txn { return &dyingTxn{Txn: d.KV.Txn(ctx), of: d} }

type dyingTxn struct {
	clientv3.Txn
	of     *dying
	writes bool
}

func (t *dyingTxn) If(c ...clientv3.Cmp) clientv3.Txn { t.Txn = t.Txn.If(c...); return t }

func (t *dyingTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	for _, op := range ops {
		t.writes = t.writes || !op.IsGet()
	}
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *dyingTxn) Commit() (*clientv3.TxnResponse, error) {
	if !t.writes {
		return t.Txn.Commit()
	}
	if t.of.left--; t.of.left > 0 {
		return t.Txn.Commit()
	}
	if t.of.left == 0 && t.of.written {
		_, _ = t.Txn.Commit()
	}
	return nil, errDied
}

// living writes a ledger that a restore replaces: some of it is as in the backup, some is newer, some is not in it.
func living(t *testing.T, kv *clientv3.Client, backedUp map[string]string) {
	t.Helper()
	empty(t, kv)
	n := 0
	for key, value := range backedUp {
		switch n++; n % 3 {
		case 0:
			put(t, kv, key, value)
		case 1:
			put(t, kv, key, value+" ")
		}
	}
	for i := range 150 {
		put(t, kv, fmt.Sprintf("desired/revisions/default/1%03d", i), "{}")
	}
	lease, err := kv.Grant(t.Context(), 600)
	must(t, err)
	put(t, kv, "desired/requests/default/r", "x", clientv3.WithLease(lease.ID))
	put(t, kv, "observed/tallies/default/1/r", "x")
	put(t, kv, "decided/epoch", `{"v":1,"value":{"epoch":2,"author":"olga"}}`)
}

// A restore that dies at any of its writes leaves an etcd on which no service starts and of which no backup is made, and one that is run
// after it ends as if none had died.
func TestARestoreThatDiesIsRunAgain(t *testing.T) {
	kv := dial(t, etcdtest.Start(t))
	for n := range 3 {
		revise(t, kv, n+1, snapshotOf(t, kv, fmt.Sprint("route-", n)))
	}
	decide(t, kv, "default", 3)
	for i := range 230 {
		put(t, kv, fmt.Sprintf("identity/nodes/default/gw-%03d", i), fmt.Sprintf(`{"n":%d}`, i))
	}
	path := filepath.Join(t.TempDir(), "b")
	take(t, kv, path, nil)
	was := all(t, kv)
	ended := func(t *testing.T, kv clientv3.KV) map[string]string {
		keys := all(t, kv)
		if _, shift, _ := lifeOf(t, keys); revisionOf(t, kv)+shift < 100_000_000 {
			t.Errorf("the numbers are %d ahead", shift)
		}
		delete(keys, "decided/epoch")
		return keys
	}
	for _, replace := range []bool{false, true} {
		prepare := func(t *testing.T) {
			if empty(t, kv); replace {
				living(t, kv, was)
			}
		}
		order := restoration(kv, path)
		order.Replace = replace
		prepare(t)
		_, err := restore(t, order)
		must(t, err)
		want := ended(t, kv)
		if len(want) != len(was) {
			t.Fatalf("replace %v: it has %d keys, and the backup %d", replace, len(want), len(was))
		}
		deaths := 0
		for at := 1; ; at++ {
			prepare(t)
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			died := false
			for life, left := 1, at; ; life, left = life+1, 1+random.IntN(8) {
				order := restoration(&dying{KV: kv, left: left, written: random.IntN(2) == 0}, path)
				order.Replace = replace
				if life > 6 {
					order.KV = kv
				}
				if _, err = restore(t, order); err == nil {
					break
				}
				if errors.Is(err, backup.ErrHolds) && !replace {
					break // the last transaction was written, and its answer was lost
				}
				if !errors.Is(err, errDied) {
					t.Fatalf("replace %v, death %d, seed %d: %v", replace, at, seed, err)
				}
				died = true
				if m, _, is, err := presence.Unfinished(t.Context(), kv); err != nil {
					t.Fatal(err)
				} else if is {
					if _, err := backup.Take(t.Context(), backup.Order{KV: kv}, nothing{}); !errors.Is(err, backup.ErrHalfRestored) || m.File != "b" {
						t.Errorf("a backup of half a ledger gave %v; %+v", err, m)
					}
				}
			}
			if got := ended(t, kv); !maps.Equal(got, want) {
				t.Fatalf("replace %v, death %d, seed %d: it has %d keys, want %d", replace, at, seed, len(got), len(want))
			}
			if !died {
				break
			}
			deaths++
		}
		if deaths < 5 {
			t.Errorf("it has only %d writes to die at", deaths)
		}
	}
}

type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }

// What a restore refuses leaves etcd as it was: nothing is written before everything is checked.
func TestARefusedRestoreWritesNothing(t *testing.T) {
	source := dial(t, etcdtest.Start(t))
	revise(t, source, 1, snapshotOf(t, source, "one"))
	decide(t, source, "default", 1)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	take(t, source, file("good"), nil)
	good, err := os.ReadFile(file("good"))
	must(t, err)
	must(t, os.WriteFile(file("short"), good[:len(good)-1], 0o600))
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)/2] ^= 1
	must(t, os.WriteFile(file("flipped"), flipped, 0o600))
	must(t, os.WriteFile(file("later"), []byte("silverback-backup 2\n"+string(good[20:])), 0o600))
	sealedBy(t, file("sealed"), good)
	made := func(name string, m backup.Manifest, records func(w *backup.Writer)) {
		t.Helper()
		f, err := os.Create(file(name))
		must(t, err)
		w, err := backup.NewWriter(f, m)
		must(t, err)
		records(w)
		_, err = w.Close()
		must(t, err)
		must(t, f.Close())
	}
	record := func(key string, revision int64, value string) func(*backup.Writer) {
		return func(w *backup.Writer) { must(t, w.Record(key, revision, []byte(value))) }
	}
	made("election", manifest, record("election/distributor/1", 5, "x"))
	made("marker", manifest, record("decided/restoring", 5, "x"))
	made("replica", manifest, record("identity/replicas/1", 5, "x"))
	made("of-the-future", manifest, record("identity/groups/g", 5000, "{}"))
	made("of-no-revision", backup.Manifest{}, record("identity/groups/g", 1, "{}"))
	made("of-a-later-version", manifest, record("decided/assignments/g", 5, `{"v":3,"value":{}}`))
	made("of-a-huge-number", manifest, record("decided/assignments/g", 5, `{"v":2,"at":2000000000000,"value":{}}`))
	made("of-a-huge-shift", manifest, record("decided/epoch", 5, `{"v":1,"value":{"epoch":1,"shift":1099511000000}}`))
	made("of-no-epoch", manifest, record("decided/epoch", 5, `{"v":9}`))
	made("without-content", manifest, record("desired/sources/g/s", 5, `{"fragment":"sha256:`+strings.Repeat("a", 64)+`"}`))
	take(t, source, file("base"), nil)
	index, err := backup.Archive{Path: file("base")}.Index()
	must(t, err)
	take(t, source, file("without-base"), index)
	must(t, os.Remove(file("base")))

	kv := dial(t, etcdtest.Start(t))
	refused := func(name, want string, is error, change ...func(*backup.Restoration)) {
		t.Helper()
		before := revisionOf(t, kv)
		r := restoration(kv, file(name))
		for _, c := range change {
			c(&r)
		}
		_, err := restore(t, r)
		if err == nil || !strings.Contains(err.Error(), want) || is != nil && !errors.Is(err, is) {
			t.Errorf("%s: %v, want %v and %q", name, err, is, want)
		}
		if after := revisionOf(t, kv); after != before {
			t.Errorf("%s: etcd was at %d and is at %d", name, before, after)
		}
	}
	refused("short", "", backup.ErrTruncated)
	refused("flipped", "", backup.ErrDamaged)
	refused("later", "use the version of Silverback that made it", backup.ErrVersion)
	refused("sealed", "--identity", backup.ErrEncrypted)
	refused("without-base", "base", os.ErrNotExist)
	for _, name := range []string{"election", "marker", "replica"} {
		refused(name, "which no backup has", backup.ErrDamaged)
	}
	refused("of-the-future", "written at revision 5000", backup.ErrDamaged)
	refused("of-no-revision", "", backup.ErrDamaged)
	refused("of-a-later-version", "restore with a later version of Silverback", nil)
	refused("of-a-huge-number", "out of range", nil)
	refused("of-a-huge-shift", "used up", nil)
	refused("of-no-epoch", "decided/epoch", nil)
	refused("without-content", "names the content", backup.ErrIncomplete)

	// Replicas of each service, announced and not, and a ledger.
	for _, key := range []string{"identity/replicas/1", "desired/replicas/1", "observed/replicas/1", "election/distributor/1",
		"identity/sessions/default/gw-1"} {
		put(t, kv, key, `{"replica":"r-1"}`)
		refused("good", "services use this etcd", backup.ErrInUse)
		refused("good", "services use this etcd", backup.ErrInUse, func(r *backup.Restoration) { r.Replace = true })
		_, err := kv.Delete(t.Context(), key)
		must(t, err)
	}
	put(t, kv, "identity/groups/other", "{}")
	refused("good", "", backup.ErrHolds)

	// What comes between the plan and the first write is found.
	r := restoration(kv, file("good"))
	r.Replace = true
	for key, value := range map[string]string{"identity/replicas/2": "{}", "desired/heads/other": "null", "election/d/1": "x"} {
		p, err := r.Plan(t.Context())
		must(t, err)
		put(t, kv, key, value)
		before := revisionOf(t, kv)
		if _, err := r.Restore(t.Context(), p); !errors.Is(err, backup.ErrChanged) || revisionOf(t, kv) != before {
			t.Errorf("%s was written meanwhile: %v", key, err)
		}
		_, err = kv.Delete(t.Context(), key)
		must(t, err)
	}

	// The incomplete one is restored when that is asked for.
	r = restoration(kv, file("without-content"))
	r.Replace, r.Incomplete = true, true
	_, err = restore(t, r)
	must(t, err)
	if _, left := all(t, kv)["identity/groups/other"]; left {
		t.Error("what the backup lacks is there")
	}
	if _, err := restore(t, restoration(kv, file("without-content"))); !errors.Is(err, backup.ErrIncomplete) {
		t.Errorf("%v", err)
	}
}

func sealedBy(t *testing.T, path string, text []byte) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	f, err := os.Create(path)
	must(t, err)
	w, err := backup.Encrypt(f, []age.Recipient{id.Recipient()})
	must(t, err)
	_, err = w.Write(text)
	must(t, err)
	must(t, errors.Join(w.Close(), f.Close()))
}

// Of two restores at once one ends. The other is told.
func TestASecondRestoreTakesOver(t *testing.T) {
	source := dial(t, etcdtest.Start(t))
	revise(t, source, 1, snapshotOf(t, source, "one"))
	dir := t.TempDir()
	path, other := filepath.Join(dir, "b"), filepath.Join(dir, "other")
	take(t, source, path, nil)
	put(t, source, "identity/groups/more", "{}")
	take(t, source, other, nil)
	kv := dial(t, etcdtest.Start(t))
	first := restoration(&between{KV: kv, then: func() {
		if _, err := restore(t, restoration(kv, other)); !errors.Is(err, backup.ErrOther) {
			t.Errorf("the restore of another backup beside it gave %v", err)
		}
		_, err := restore(t, restoration(kv, path))
		must(t, err)
	}}, path)
	if _, err := restore(t, first); err == nil || !strings.Contains(err.Error(), "another restore into this etcd has begun") {
		t.Errorf("the first ended with %v", err)
	}
	_, err := restore(t, restoration(kv, path))
	if !errors.Is(err, backup.ErrHolds) || !strings.Contains(err.Error(), "the one of this backup") {
		t.Errorf("a restore once more gave %v", err)
	}
	if len(keysOf(t, path)) != len(all(t, kv))-1 {
		t.Errorf("it has %d keys", len(all(t, kv)))
	}
}

// between calls a function after the marker was written.
type between struct {
	clientv3.KV
	then func()
}

func (b *between) Txn(ctx context.Context) clientv3.Txn { return &betweenTxn{b.KV.Txn(ctx), b, false} }

type betweenTxn struct {
	clientv3.Txn
	of    *between
	marks bool
}

func (t *betweenTxn) If(c ...clientv3.Cmp) clientv3.Txn { t.Txn = t.Txn.If(c...); return t }

func (t *betweenTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	for _, op := range ops {
		t.marks = t.marks || op.IsPut() && string(op.KeyBytes()) == presence.Registry.Marker()
	}
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *betweenTxn) Commit() (*clientv3.TxnResponse, error) {
	answer, err := t.Txn.Commit()
	if then := t.of.then; t.marks && then != nil {
		t.of.then = nil
		then()
	}
	return answer, err
}
