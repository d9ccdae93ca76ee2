package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/backup"
	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const prefix = "/silverback/v1/"

func dial(t *testing.T, s *etcdtest.Server) *clientv3.Client {
	t.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: s.Endpoints, Prefix: prefix})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// take backs an etcd up into a file.
func take(t *testing.T, kv clientv3.KV, path string, base *backup.Index) backup.Taken {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	taken, err := backup.Take(t.Context(), backup.Order{KV: kv, Prefix: prefix, Silverback: "test", Now: manifest.Time, Base: base}, f)
	must(t, err)
	must(t, f.Close())
	return taken
}

func put(t *testing.T, kv clientv3.KV, key, value string, options ...clientv3.OpOption) {
	t.Helper()
	_, err := kv.Put(t.Context(), key, value, options...)
	must(t, err)
}

// keysOf returns what a backup holds.
func keysOf(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	_, err := backup.Archive{Path: path}.Walk(func(e backup.Entry) error {
		all[e.Key] = string(e.Value)
		return nil
	})
	must(t, err)
	return all
}

// snapshotOf stores a snapshot of one route.
func snapshotOf(t *testing.T, kv clientv3.KV, name string) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Seal([]snapshot.Entity{{Kind: "routes", ID: "r", Key: name, JSON: fmt.Appendf(nil, `{"id":"r","name":"%s"}`, name)}})
	must(t, err)
	must(t, content.New(kv, -1).Put(t.Context(), s))
	return s
}

// revise writes a revision as the translator does.
func revise(t *testing.T, kv clientv3.KV, number int, s *snapshot.Snapshot) {
	t.Helper()
	fragment := fleet.DigestOf([]byte(s.Digest()))
	put(t, kv, "content/fragments/"+fragment.Hex(), "1")
	put(t, kv, "content/fragments/"+fragment.Hex()+"/0000", "piece of "+string(s.Digest()))
	text, err := json.Marshal(map[string]any{"group": "default", "number": number, "digest": s.Digest(),
		"entities": map[string]int{"routes": 1}, "sources": []any{map[string]any{"name": "shop", "fragment": fragment, "entities": 1}},
		"create_time": manifest.Time})
	must(t, err)
	put(t, kv, fmt.Sprintf("desired/revisions/default/%016x", number), string(text))
	put(t, kv, "desired/heads/default", string(text))
	put(t, kv, "desired/sources/default/shop", fmt.Sprintf(`{"fragment":"%s","revision":%d,"entities":1}`, fragment, number))
	put(t, kv, "identity/groups/default", `{"v":1}`)
}

func TestABackupHasWhatOutlivesItsProcesses(t *testing.T) {
	etcd := etcdtest.Start(t)
	kv := dial(t, etcd)
	must(t, ignore(etcd.Client(t).Put(t.Context(), "/another/v1/desired/heads/x", "of another installation")))
	lease, err := kv.Grant(t.Context(), 600)
	must(t, err)
	for _, key := range []string{"identity/sessions/default/gw-1", "observed/tallies/default/1/r", "election/distributor/1",
		"desired/requests/default/1", "identity/inventories/x"} {
		put(t, kv, key, "x", clientv3.WithLease(lease.ID))
	}
	for _, key := range []string{"content/turn", "election/left-over"} {
		put(t, kv, key, "x")
	}
	want := map[string]string{"decided/future/kind": "unknown here", "identity/nodes/default/gw-1": "", "identity/revocations/users/x": "r"}
	for key, value := range want {
		put(t, kv, key, value)
	}
	path := filepath.Join(t.TempDir(), "b")
	taken := take(t, kv, path, nil)
	if got := keysOf(t, path); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("it holds %v, want %v", got, want)
	}
	if m := taken.Manifest; m.Prefix != prefix || m.Revision < 10 || m.Cluster == 0 || taken.Counts.Records != 3 {
		t.Errorf("its manifest is %+v, of %+v", m, taken.Counts)
	}
}

func ignore[T any](_ T, err error) error { return err }

// Writers go on while a backup is made. It has every key as it was at its revision.
func TestABackupIsOfOneRevision(t *testing.T) {
	kv := dial(t, etcdtest.Start(t))
	const keys = 40
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	write := func(ctx context.Context, round int) error {
		ops := make([]clientv3.Op, 0, keys)
		for i := range keys {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("desired/heads/g%02d", i), fmt.Sprint(round)))
		}
		_, err := kv.Txn(ctx).Then(ops...).Commit()
		return err
	}
	must(t, write(ctx, 0))
	var writing sync.WaitGroup
	writing.Go(func() {
		for round := 1; ctx.Err() == nil; round++ {
			_ = write(ctx, round)
		}
	})
	for i := range 5 {
		path := filepath.Join(t.TempDir(), "b")
		take(t, kv, path, nil)
		all := keysOf(t, path)
		if len(all) != keys {
			t.Fatalf("backup %d holds %d keys", i, len(all))
		}
		for key, round := range all {
			if round != all["desired/heads/g00"] {
				t.Errorf("backup %d: %s is of round %s, and another of round %s", i, key, round, all["desired/heads/g00"])
			}
		}
	}
	stop()
	writing.Wait()
}

func TestABackupOfCompactedHistoryFails(t *testing.T) {
	etcd := etcdtest.Start(t)
	kv := dial(t, etcd)
	for i := range 40 {
		put(t, kv, fmt.Sprintf("desired/heads/g%02d", i), "x")
	}
	compacting := &writerFunc{func() {
		put(t, kv, "desired/heads/g00", "y")
		etcdtest.Compact(t, etcd.Client(t))
	}}
	_, err := backup.Take(t.Context(), backup.Order{KV: kv, Now: manifest.Time}, compacting)
	if err == nil || !strings.Contains(err.Error(), "--auto-compaction-retention") {
		t.Errorf("got %v", err)
	}
}

// writerFunc calls a function before the third write: the line and the manifest are written, and nothing was read.
type writerFunc struct{ before func() }

func (w *writerFunc) Write(p []byte) (int, error) {
	if p[0] == 'M' {
		w.before()
	}
	return len(p), nil
}

func TestABackupWithABaseHasOnlyNewObjects(t *testing.T) {
	kv := dial(t, etcdtest.Start(t))
	dir := t.TempDir()
	path := func(n int) string { return filepath.Join(dir, fmt.Sprint(n)) }
	var base *backup.Index
	for n := 1; n <= 3; n++ {
		revise(t, kv, n, snapshotOf(t, kv, fmt.Sprintf("route-%d", n)))
		taken := take(t, kv, path(n), base)
		// A snapshot has a chunk and a manifest, its source a head and a piece.
		if want := (backup.Counts{Records: int64(3 + n), Objects: 4, InBase: int64(4 * (n - 1))}); taken.Counts != want {
			t.Errorf("backup %d has %+v, want %+v", n, taken.Counts, want)
		}
		whole := filepath.Join(t.TempDir(), "whole")
		take(t, kv, whole, nil)
		if got, want := keysOf(t, path(n)), keysOf(t, whole); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("backup %d holds %d keys, and a whole one %d", n, len(got), len(want))
		}
		var err error
		base, err = backup.Archive{Path: path(n)}.Index()
		must(t, err)
	}
	check, err := backup.Archive{Path: path(3)}.Check()
	must(t, err)
	if len(check.Bases) != 2 || check.Broken != nil || len(check.Groups) != 1 {
		t.Fatalf("it is %+v", check)
	}
	if g := check.Groups[0]; g.Name != "default" || g.Revision != 3 || g.Revisions != 3 || g.Entities != 1 || len(g.Sources) != 1 ||
		g.Sources[0] != (backup.Source{Name: "shop", Revision: 3, Entities: 1}) {
		t.Errorf("its group is %+v", g)
	}

	t.Run("without its base it is refused", func(t *testing.T) {
		must(t, os.Rename(path(1), path(10)))
		if _, err := (backup.Archive{Path: path(3)}).Check(); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path(1)) {
			t.Errorf("got %v", err)
		}
		must(t, os.Rename(path(10), path(1)))
	})
	t.Run("another backup in place of its base is refused", func(t *testing.T) {
		before, err := os.ReadFile(path(1))
		must(t, err)
		take(t, kv, path(1), nil)
		if _, err := (backup.Archive{Path: path(3)}).Check(); err == nil || !strings.Contains(err.Error(), "is another backup") {
			t.Errorf("got %v", err)
		}
		must(t, os.WriteFile(path(1), before, 0o600))
	})
	t.Run("a base outside of its folder is refused", func(t *testing.T) {
		for _, name := range []string{"../1", "/etc/passwd", "..", ".", "", "/"} {
			must(t, os.WriteFile(path(4), small(t, &backup.Base{File: name}), 0o600))
			if _, err := (backup.Archive{Path: path(4)}).Check(); !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
	t.Run("a backup that is its own base ends", func(t *testing.T) {
		must(t, os.WriteFile(path(4), small(t, &backup.Base{File: "4"}), 0o600))
		if _, err := (backup.Archive{Path: path(4)}).Check(); err == nil {
			t.Error("it was taken")
		}
	})
}

// What the ledger lacked when it was backed up is told, and is no damage of the file.
func TestWhatTheLedgerLackedIsTold(t *testing.T) {
	kv := dial(t, etcdtest.Start(t))
	s := snapshotOf(t, kv, "a")
	revise(t, kv, 1, s)
	chunk := content.ChunkPrefix + s.Manifest().Chunks[0].Sum.String()
	manifestKey := content.ManifestPrefix + s.Digest().Hex()
	for _, c := range []struct{ name, key, value, want string }{
		{"a chunk that is another one", chunk, "nonsense", chunk},
		{"a chunk that is not there", chunk, "", "names the chunk"},
		{"a manifest that is not there", manifestKey, "", "revision 1 of group default names the snapshot"},
		{"a source whose pieces are not there", "content/fragments/" + fleet.DigestOf([]byte(s.Digest())).Hex() + "/0000", "",
			"names the content"},
	} {
		was, err := kv.Get(t.Context(), c.key)
		must(t, err)
		if c.value == "" {
			must(t, ignore(kv.Delete(t.Context(), c.key)))
		} else {
			put(t, kv, c.key, c.value)
		}
		path := filepath.Join(t.TempDir(), "b")
		take(t, kv, path, nil)
		got, err := backup.Archive{Path: path}.Check()
		if err != nil || !slices.ContainsFunc(got.Broken, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%s: %v, %v", c.name, got.Broken, err)
		}
		put(t, kv, c.key, string(was.Kvs[0].Value))
	}
}

// A ledger of an epoch says so, and one whose epoch cannot be read is not backed up: a restore could not say what was lost.
func TestTheEpochIsInTheManifest(t *testing.T) {
	kv := dial(t, etcdtest.Start(t))
	put(t, kv, "decided/epoch", `{"v":1,"value":{"epoch":5}}`)
	var out bytes.Buffer
	taken, err := backup.Take(t.Context(), backup.Order{KV: kv}, &out)
	if err != nil || taken.Manifest.Epoch != 5 || taken.ID == (backup.ID(sha256.Sum256(nil))) {
		t.Errorf("%+v, %v", taken, err)
	}
	put(t, kv, "decided/epoch", `{"v":9}`)
	if _, err := backup.Take(t.Context(), backup.Order{KV: kv}, &out); err == nil || !strings.Contains(err.Error(), "decided/epoch") {
		t.Errorf("got %v", err)
	}
}
