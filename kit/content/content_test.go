package content_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// counting is a real etcd that counts the transactions it is asked for.
type counting struct {
	clientv3.KV
	mu    sync.Mutex
	txns  int
	bytes int // of the largest
}

func (c *counting) Txn(ctx context.Context) clientv3.Txn {
	return &countingTxn{Txn: c.KV.Txn(ctx), c: c}
}

func (c *counting) since(before int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.txns - before
}

type countingTxn struct {
	clientv3.Txn
	c *counting
}

func (t *countingTxn) If(cs ...clientv3.Cmp) clientv3.Txn {
	t.Txn = t.Txn.If(cs...)
	return t
}

func (t *countingTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	size := 0
	for _, op := range ops {
		size += len(op.KeyBytes()) + len(op.ValueBytes())
	}
	t.c.mu.Lock()
	t.c.txns++
	t.c.bytes = max(t.c.bytes, size)
	t.c.mu.Unlock()
	t.Txn = t.Txn.Then(ops...)
	return t
}

func TestContentOnEtcd(t *testing.T) {
	client := etcdtest.Client(t)
	kv := &counting{KV: client.KV}
	ctx := t.Context()
	entities := routes(3000)
	old := seal(t, entities)
	edited := slices.Clone(entities)
	edited[1234] = route(1234, "edited")
	now := seal(t, edited)

	store := content.New(kv, 0)
	if _, err := store.Read(ctx, old.Digest()); !errors.Is(err, content.ErrMissing) {
		t.Fatalf("read before put: %v", err)
	}
	must(t, store.Put(ctx, old))
	stored := chunkRevisions(t, client)
	if len(stored) != len(old.Manifest().Chunks) {
		t.Fatalf("%d chunks are stored, the manifest has %d", len(stored), len(old.Manifest().Chunks))
	}

	t.Run("a put of the same writes nothing", func(t *testing.T) {
		before := revision(t, client)
		must(t, store.Put(ctx, old))
		must(t, content.New(kv, 0).Put(ctx, old))
		if after := revision(t, client); after != before {
			t.Errorf("etcd went from revision %d to %d", before, after)
		}
	})
	t.Run("a put of an edit writes the chunks that changed", func(t *testing.T) {
		must(t, store.Put(ctx, now))
		after := chunkRevisions(t, client)
		if added := len(after) - len(stored); added != len(snapshot.Diff(old.Manifest(), now.Manifest()).Added) {
			t.Errorf("%d chunks were added", added)
		}
		for key, rev := range stored {
			if after[key] != rev {
				t.Errorf("%s was written again", key)
			}
		}
	})
	t.Run("another replica reads what was put", func(t *testing.T) {
		other := content.New(kv, 0)
		for _, s := range []*snapshot.Snapshot{old, now} {
			m, err := other.Manifest(ctx, s.Digest())
			must(t, err)
			if m.Size != s.Size() || len(m.Chunks) != len(s.Manifest().Chunks) {
				t.Errorf("another manifest: %d bytes, %d chunks", m.Size, len(m.Chunks))
			}
			got, err := other.Read(ctx, s.Digest())
			must(t, err)
			if string(got) != string(s.Canonical()) {
				t.Error("other bytes were read")
			}
		}
		frame, err := other.Chunk(ctx, old.Manifest().Chunks[0].Sum)
		must(t, err)
		raw, err := snapshot.Decompress(frame, old.Manifest().Chunks[0])
		must(t, err)
		if string(raw) != string(old.Canonical()[:len(raw)]) {
			t.Error("another chunk was read")
		}
	})
	t.Run("what was read is read from memory", func(t *testing.T) {
		other := content.New(kv, 0)
		_, err := other.Read(ctx, old.Digest())
		must(t, err)
		before := kv.since(0)
		_, err = other.Read(ctx, old.Digest())
		must(t, err)
		if n := kv.since(before); n != 0 {
			t.Errorf("a second read took %d transactions", n)
		}
		none := content.New(kv, -1)
		_, err = none.Read(ctx, old.Digest())
		must(t, err)
	})
	t.Run("a delta is small and applies", func(t *testing.T) {
		d, err := content.New(kv, 0).Delta(ctx, old.Digest(), now.Digest())
		must(t, err)
		got, err := snapshot.Apply(old.Canonical(), d, now.Digest())
		must(t, err)
		if string(got) != string(now.Canonical()) || d.WireSize() > 1024 {
			t.Errorf("%d bytes made other bytes, or are too many", d.WireSize())
		}
	})
	t.Run("a delta from an unknown base has none", func(t *testing.T) {
		d, err := store.Delta(ctx, fleet.DigestOf([]byte("unknown")), now.Digest())
		must(t, err)
		if _, err := snapshot.Apply(nil, d, now.Digest()); err != nil || d.BaseDigest != "" {
			t.Errorf("base %q, %v", d.BaseDigest, err)
		}
	})
	t.Run("a delta from a base that was collected applies", func(t *testing.T) {
		before := slices.Clone(entities)
		before[2000] = route(2000, "before")
		base, target := seal(t, before), old
		must(t, store.Put(ctx, base))
		other := content.New(kv, 0)
		_, err := other.Manifest(ctx, base.Digest()) // it stays in memory
		must(t, err)
		var sums []snapshot.Sum
		for _, ref := range snapshot.Diff(base.Manifest(), target.Manifest()).Removed {
			sums = append(sums, ref.Sum)
		}
		must(t, store.DeleteManifests(ctx, []fleet.Digest{base.Digest()}))
		must(t, store.Delete(ctx, sums))
		d, err := other.Delta(ctx, base.Digest(), target.Digest())
		must(t, err)
		got, err := snapshot.Apply(base.Canonical(), d, target.Digest())
		if err != nil || string(got) != string(target.Canonical()) {
			t.Errorf("with base %q: %v", d.BaseDigest, err)
		}
	})
	t.Run("a caller who leaves does not spoil it for others", func(t *testing.T) {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := content.New(kv, 0).Read(gone, now.Digest()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		other := content.New(kv, 0)
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if got, err := other.Read(ctx, now.Digest()); err != nil || len(got) != int(now.Size()) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
		group.Wait()
	})
	t.Run("what is deleted is missing", func(t *testing.T) {
		sum := now.Manifest().Chunks[1].Sum
		must(t, store.Delete(ctx, []snapshot.Sum{sum}))
		if _, err := store.Chunk(ctx, sum); !errors.Is(err, content.ErrMissing) {
			t.Errorf("chunk: got %v", err)
		}
		if _, err := content.New(kv, 0).Read(ctx, now.Digest()); !errors.Is(err, content.ErrMissing) {
			t.Errorf("read: got %v", err)
		}
		must(t, store.Put(ctx, now))
		_, err := content.New(kv, 0).Chunk(ctx, sum)
		must(t, err)
		must(t, store.DeleteManifests(ctx, []fleet.Digest{now.Digest()}))
		if _, err := store.Manifest(ctx, now.Digest()); !errors.Is(err, content.ErrMissing) {
			t.Errorf("manifest: got %v", err)
		}
	})
	t.Run("requests stay under 1 MiB", func(t *testing.T) {
		large := seal(t, random(8<<20))
		must(t, store.Put(ctx, large))
		if kv.bytes > 1<<20 || kv.bytes < 1<<19 {
			t.Errorf("the largest request had %d bytes", kv.bytes)
		}
		got, err := content.New(kv, 0).Read(ctx, large.Digest())
		must(t, err)
		if string(got) != string(large.Canonical()) {
			t.Error("other bytes were read")
		}
	})
	t.Run("damage is found", func(t *testing.T) {
		ref := old.Manifest().Chunks[0]
		_, err := client.Put(ctx, content.ChunkPrefix+ref.Sum.String(), string(snapshot.Compress([]byte("something else"))))
		must(t, err)
		if _, err := content.New(kv, 0).Chunk(ctx, ref.Sum); !errors.Is(err, snapshot.ErrChunk) {
			t.Errorf("chunk: got %v", err)
		}
		if _, err := content.New(kv, 0).Read(ctx, old.Digest()); !errors.Is(err, snapshot.ErrChunk) {
			t.Errorf("read: got %v", err)
		}
		_, err = client.Put(ctx, content.ManifestPrefix+old.Digest().Hex(), "junk")
		must(t, err)
		if _, err := content.New(kv, 0).Manifest(ctx, old.Digest()); !errors.Is(err, snapshot.ErrManifest) {
			t.Errorf("manifest: got %v", err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func seal(t *testing.T, entities []snapshot.Entity) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Seal(entities)
	must(t, err)
	return s
}

func route(n int, tag string) snapshot.Entity {
	id := fmt.Sprintf("%08x-1111-5111-8111-%012x", uint32(n)*2654435761, n)
	name := fmt.Sprintf("route-%06d", n)
	return snapshot.Entity{Kind: "routes", ID: id, Key: name, JSON: fmt.Appendf(nil,
		`{"hosts":["h%d.example.com"],"id":"%s","name":"%s","paths":["/things/%x"],"protocols":["http","https"],"tags":["%s"]}`, n%100, id, name,
		n*7919, tag)}
}

func routes(count int) []snapshot.Entity {
	all := make([]snapshot.Entity, count)
	for i := range all {
		all[i] = route(i, "x")
	}
	return all
}

// random returns an entity of about that size that does not compress well.
func random(size int) []snapshot.Entity {
	var text strings.Builder
	for i := uint64(1); text.Len() < size; i++ {
		fmt.Fprintf(&text, "%x", i*0x9e3779b97f4a7c15)
	}
	return []snapshot.Entity{{Kind: "plugins", ID: "p", JSON: []byte(`{"id":"p","x":"` + text.String() + `"}`)}}
}

func chunkRevisions(t *testing.T, client *clientv3.Client) map[string]int64 {
	t.Helper()
	answer, err := client.Get(t.Context(), content.ChunkPrefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	must(t, err)
	revisions := make(map[string]int64, len(answer.Kvs))
	for _, kv := range answer.Kvs {
		revisions[string(kv.Key)] = kv.ModRevision
	}
	return revisions
}

func revision(t *testing.T, client *clientv3.Client) int64 {
	t.Helper()
	answer, err := client.Get(t.Context(), "x")
	must(t, err)
	return answer.Header.Revision
}
