package snapshot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// both fetches the chunks of two snapshots.
func both(from, to *snapshot.Snapshot) func(snapshot.Sum) ([]byte, error) {
	return func(sum snapshot.Sum) ([]byte, error) {
		if frame, err := to.Chunk(sum); err == nil {
			return frame, nil
		}
		return from.Chunk(sum)
	}
}

func encode(t testing.TB, from, to *snapshot.Snapshot) snapshot.Delta {
	t.Helper()
	d, err := snapshot.EncodeDelta(from.Manifest(), to.Manifest(), both(from, to))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func dataSize(d snapshot.Delta) (size int) {
	for _, op := range d.Ops {
		if op.Data != nil {
			size += len(op.Data.Zstd)
		}
	}
	return size
}

func mustApply(t testing.TB, base *snapshot.Snapshot, d snapshot.Delta, want *snapshot.Snapshot) {
	t.Helper()
	got, err := snapshot.Apply(base.Canonical(), d, want.Digest())
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want.Canonical()) {
		t.Fatal("applied bytes differ")
	}
	if cap(got) != len(got) {
		t.Errorf("the result was allocated anew: %d bytes for %d", cap(got), len(got))
	}
}

func TestDeltaOfOneRouteIsSmall(t *testing.T) {
	base := routes(10_000)
	old := seal(t, base)
	var edited, inserted int
	for i := range 12 {
		at := i * 900
		changed := slices.Clone(base)
		changed[at] = route(2*at, `,"edited-now"`)
		now := seal(t, changed)
		d := encode(t, old, now)
		edited = max(edited, d.WireSize())
		mustApply(t, old, d, now)
		mustApply(t, now, encode(t, now, old), old)

		now = seal(t, append(slices.Clone(base), route(2*at+1, "")))
		d = encode(t, old, now)
		inserted = max(inserted, d.WireSize())
		mustApply(t, old, d, now)
	}
	t.Logf("largest of one route edited: %d bytes, inserted: %d bytes", edited, inserted)
	if edited >= 1024 || inserted >= 2048 {
		t.Errorf("one route edited: %d bytes, want < 1024; inserted: %d, want < 2048", edited, inserted)
	}
}

func TestDeltaFromNothingIsTheStoredChunks(t *testing.T) {
	s := seal(t, routes(3000))
	asked := 0
	d, err := snapshot.EncodeDelta(snapshot.Manifest{}, s.Manifest(), func(sum snapshot.Sum) ([]byte, error) {
		asked++
		return s.Chunk(sum)
	})
	if err != nil || asked != len(s.Manifest().Chunks) || d.BaseDigest != "" {
		t.Fatalf("asked for %d of %d chunks, base %q, %v", asked, len(s.Manifest().Chunks), d.BaseDigest, err)
	}
	for i, ref := range s.Manifest().Chunks {
		stored, _ := s.Chunk(ref.Sum)
		if op := d.Ops[i].Data; op == nil || string(op.Zstd) != string(stored) || op.DictLength != 0 {
			t.Errorf("operation %d is not the stored chunk", i)
		}
	}
	mustApply(t, seal(t, nil), d, s)
	var ops int
	parts := d.Parts(20_000)
	for _, part := range parts {
		ops += len(part)
	}
	if ops != len(d.Ops) || len(parts) < 3 {
		t.Errorf("%d operations came in %d parts as %d", len(d.Ops), len(parts), ops)
	}
}

func TestDeltaBetweenAnyTwo(t *testing.T) {
	base := routes(3000)
	all := make([]snapshot.Entity, len(base))
	for i, e := range base {
		all[i] = route(2*i, `,"everywhere"`)
		_ = e
	}
	rng := rand.New(rand.NewPCG(7, 8))
	some := slices.Clone(base)
	for range 200 {
		at := rng.IntN(len(some))
		some = slices.Delete(some, at, at+1)
	}
	for i := range 100 {
		some = append(some, route(2*rng.IntN(3000)*3000+2*i+1, ""), consumer(i))
	}
	large := append(slices.Clone(base), snapshot.Entity{Kind: "plugins", ID: "p",
		JSON: []byte(`{"id":"p","x":"` + strings.Repeat("xyz", 100<<10) + `"}`)})
	snapshots := []*snapshot.Snapshot{seal(t, nil), seal(t, base), seal(t, all), seal(t, some), seal(t, large), seal(t, routes(10))}
	for i, from := range snapshots {
		for j, to := range snapshots {
			t.Run(fmt.Sprintf("%d to %d", i, j), func(t *testing.T) {
				d := encode(t, from, to)
				mustApply(t, from, d, to)
				if i == j && (dataSize(d) != 0 || len(d.Ops) != 1) {
					t.Errorf("nothing changed, but %d operations carry %d bytes", len(d.Ops), dataSize(d))
				}
			})
		}
	}
	if some, none := dataSize(encode(t, snapshots[1], snapshots[2])), dataSize(encode(t, snapshots[0], snapshots[2])); some*2 > none {
		t.Errorf("an edit of every route takes %d bytes, all of them anew %d", some, none)
	}
}

func TestDeltaDoesWithoutMissingBaseChunks(t *testing.T) {
	from, to := seal(t, routes(1000)), seal(t, append(routes(1000), route(5, "")))
	d, err := snapshot.EncodeDelta(from.Manifest(), to.Manifest(), to.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, from, d, to)
	if _, err := snapshot.EncodeDelta(from.Manifest(), to.Manifest(), from.Chunk); err == nil {
		t.Error("a missing chunk of the target went unnoticed")
	}
}

func TestApplyRefusesHostileDeltas(t *testing.T) {
	old, now := seal(t, routes(1000)), seal(t, append(routes(1000), route(5, "")))
	good := encode(t, old, now)
	bomb := snapshot.Compress(make([]byte, 32<<20))
	data := func(raw, offset, length int64) snapshot.Op {
		return snapshot.Op{Data: &snapshot.Data{Zstd: bomb, RawLength: raw, DictOffset: offset, DictLength: length}}
	}
	cp := func(offset, length int64) snapshot.Op {
		return snapshot.Op{Copy: &snapshot.Copy{Offset: offset, Length: length}}
	}
	const huge = 1<<63 - 1
	for _, tc := range []struct {
		name string
		size int64
		ops  []snapshot.Op
	}{
		{"no size", 0, nil},
		{"a negative size", -1, nil},
		{"too few bytes", 1000, []snapshot.Op{cp(0, 999)}},
		{"too many bytes", 1000, []snapshot.Op{cp(0, 999), cp(0, 2)}},
		{"a copy from behind the base", 10, []snapshot.Op{cp(old.Size()-5, 10)}},
		{"a copy from before the base", 10, []snapshot.Op{cp(-1, 10)}},
		{"a copy that overflows", 10, []snapshot.Op{cp(huge, huge)}},
		{"a copy of nothing", 10, []snapshot.Op{cp(0, 10), cp(0, 0)}},
		{"a copy of less than nothing", 10, []snapshot.Op{cp(0, 11), cp(0, -1)}},
		{"no step", 10, []snapshot.Op{{}}},
		{"two steps", 10, []snapshot.Op{{Copy: cp(0, 10).Copy, Data: data(10, 0, 0).Data}}},
		{"a bomb", 10, []snapshot.Op{data(10, 0, 0)}},
		{"a bomb with a dictionary", 10, []snapshot.Op{data(10, 0, 100)}},
		{"a frame of fewer bytes", 40 << 20, []snapshot.Op{data(40<<20, 0, 0)}},
		{"a dictionary from behind the base", 10, []snapshot.Op{data(10, old.Size(), 1)}},
		{"a dictionary that overflows", 10, []snapshot.Op{data(10, huge, 100)}},
		{"junk", 10, []snapshot.Op{{Data: &snapshot.Data{Zstd: []byte("junk"), RawLength: 10}}}},
		{"no frame", 10, []snapshot.Op{{Data: &snapshot.Data{RawLength: 10}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := snapshot.Delta{BaseDigest: old.Digest(), Digest: now.Digest(), Size: tc.size, Ops: tc.ops}
			if got, err := snapshot.Apply(old.Canonical(), d, now.Digest()); !errors.Is(err, snapshot.ErrDelta) || got != nil {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
	var tooLarge *snapshot.TooLargeError
	if _, err := snapshot.Apply(nil, snapshot.Delta{Digest: now.Digest(), Size: huge}, now.Digest()); !errors.As(err, &tooLarge) {
		t.Errorf("a huge size: got %v", err)
	}
	other := slices.Clone(old.Canonical())
	other[len(other)/2] ^= 1
	if _, err := snapshot.Apply(other, good, now.Digest()); !errors.Is(err, snapshot.ErrDigest) && !errors.Is(err, snapshot.ErrDelta) {
		t.Errorf("another base: got %v", err)
	}
	if _, err := snapshot.Apply(old.Canonical(), good, old.Digest()); !errors.Is(err, snapshot.ErrDigest) {
		t.Errorf("another digest: got %v", err)
	}
	if _, err := snapshot.Apply(nil, good, now.Digest()); !errors.Is(err, snapshot.ErrDelta) {
		t.Errorf("no base: got %v", err)
	}
}

func TestApplyAllocatesNoMoreThanAnnounced(t *testing.T) {
	old := seal(t, routes(100))
	bomb := snapshot.Compress(make([]byte, 32<<20))
	for _, dict := range []int64{0, 100} {
		d := snapshot.Delta{BaseDigest: old.Digest(), Digest: old.Digest(), Size: 10, Ops: []snapshot.Op{{Data: &snapshot.Data{
			Zstd: bomb, RawLength: 10, DictLength: dict,
		}}}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := snapshot.Apply(old.Canonical(), d, old.Digest())
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 4<<20 {
			t.Errorf("dictionary of %d bytes: %d bytes were allocated for 10, %v", dict, used, err)
		}
	}
}

func BenchmarkEncodeDelta(b *testing.B) {
	base := routes(10_000)
	old := seal(b, base)
	changed := slices.Clone(base)
	changed[5000] = route(10_000, `,"edited"`)
	now := seal(b, changed)
	stored := map[snapshot.Sum][]byte{}
	for _, s := range []*snapshot.Snapshot{old, now} {
		for _, ref := range s.Manifest().Chunks {
			stored[ref.Sum], _ = s.Chunk(ref.Sum)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := snapshot.EncodeDelta(old.Manifest(), now.Manifest(), func(sum snapshot.Sum) ([]byte, error) {
			return stored[sum],
				nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	base := routes(10_000)
	old := seal(b, base)
	changed := slices.Clone(base)
	changed[5000] = route(10_000, `,"edited"`)
	now := seal(b, changed)
	for name, d := range map[string]snapshot.Delta{"edit": encode(b, old, now), "full": encode(b, seal(b, nil), now)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(now.Size())
			for b.Loop() {
				base := old.Canonical()
				if name == "full" {
					base = seal(b, nil).Canonical()
				}
				if _, err := snapshot.Apply(base, d, now.Digest()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
