package snapshot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// route is an entity of the size and shape that real routes have.
func route(n int, edit string) snapshot.Entity {
	id := fmt.Sprintf("%08x-1111-5111-8111-%012x", uint32(n)*2654435761, n)
	name := fmt.Sprintf("route-%06d", n)
	return snapshot.Entity{Kind: "routes", ID: id, Key: name, JSON: fmt.Appendf(nil,
		`{"hosts":["h%d.example.com"],"id":"%s","methods":["GET","POST"],"name":"%s","paths":["/api/v%d/things/%x"],"preserve_host":false,`+
			`"protocols":["http","https"],"regex_priority":0,"service":{"id":"%08x-2222-5222-8222-%012x"},"strip_path":true,"tags":["team-%d"%s]}`,
		n%100, id, name, n%7, uint32(n)*40503, n*7919, n/10, n%25, edit)}
}

func consumer(n int) snapshot.Entity {
	id := fmt.Sprintf("%08x-3333-5333-8333-%012x", uint32(n)*2246822519, n)
	name := fmt.Sprintf("consumer-%06d", n)
	return snapshot.Entity{Kind: "consumers", ID: id, Key: name, JSON: fmt.Appendf(nil, `{"id":"%s","username":"%s"}`, id, name)}
}

func routes(count int) []snapshot.Entity {
	all := make([]snapshot.Entity, count)
	for i := range all {
		all[i] = route(2*i, "") // odd numbers are free for insertions
	}
	return all
}

func seal(t testing.TB, entities []snapshot.Entity) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Seal(entities)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealLaysOutCanonically(t *testing.T) {
	entity := func(kind, id, key string) snapshot.Entity {
		return snapshot.Entity{Kind: kind, ID: id, Key: key, JSON: []byte(`{"id":"` + id + `"}`)}
	}
	for _, tc := range []struct {
		name     string
		entities []snapshot.Entity
		want     string
	}{
		{name: "nothing", want: "{\"_format_version\":\"3.0\"}\n"},
		{
			name: "kinds, then keys, then ids are sorted",
			entities: []snapshot.Entity{
				entity("routes", "3", "b"), entity("consumers", "9", "z"), entity("routes", "4", "a"), entity("routes", "2", "b"),
			},
			want: "{\"_format_version\":\"3.0\",\n\"consumers\":[\n{\"id\":\"9\"}\n],\n\"routes\":[\n{\"id\":\"4\"},\n{\"id\":\"2\"}," +
				"\n{\"id\":\"3\"}\n]}\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := seal(t, tc.entities)
			if diff := cmp.Diff(tc.want, string(s.Canonical())); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if cap(s.Canonical()) != len(s.Canonical()) {
				t.Errorf("size foreseen %d, is %d", cap(s.Canonical()), len(s.Canonical()))
			}
			opened, err := snapshot.Open(s.Canonical())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.Manifest(), opened.Manifest()); diff != "" {
				t.Errorf("opened: -want +got\n%s", diff)
			}
			if diff := cmp.Diff(s.Counts(), opened.Counts()); diff != "" {
				t.Errorf("opened: -want +got\n%s", diff)
			}
		})
	}
}

func TestSealKnowsNoInputOrder(t *testing.T) {
	all := append(routes(500), consumer(1), consumer(2))
	want := seal(t, all)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if got := seal(t, all).Digest(); got != want.Digest() {
		t.Errorf("got %s, want %s", got, want.Digest())
	}
}

func TestSealRefuses(t *testing.T) {
	big := []byte(`{"id":"1","x":"` + strings.Repeat("x", 1<<20) + `"}`)
	huge := make([]snapshot.Entity, 65)
	for i := range huge {
		id := fmt.Sprintf("%02d", i)
		huge[i] = snapshot.Entity{Kind: "routes", ID: id, JSON: []byte(strings.Replace(string(big), `"1"`, `"`+id+`"`, 1))}
	}
	var tooLarge *snapshot.TooLargeError
	if _, err := snapshot.Seal(huge); !errors.As(err, &tooLarge) || tooLarge.Limit != 64<<20 || tooLarge.Size < 65<<20 {
		t.Errorf("65 MiB: got %v", err)
	}
	var duplicate *snapshot.DuplicateError
	if _, err := snapshot.Seal([]snapshot.Entity{route(1, ""), route(2, ""), route(1, `,"x"`)}); !errors.As(err, &duplicate) ||
		duplicate.ID != route(1, "").ID {
		t.Errorf("an id twice: got %v", err)
	}
	for name, e := range map[string]snapshot.Entity{
		"a line feed":     {Kind: "routes", ID: "1", JSON: []byte("{\"id\":\n\"1\"}")},
		"an array":        {Kind: "routes", ID: "1", JSON: []byte(`["1"]`)},
		"another id":      {Kind: "routes", ID: "1", JSON: []byte(`{"id":"2"}`)},
		"an inner id":     {Kind: "routes", ID: "1", JSON: []byte(`{"a":{"id":"1"},"x":"id"}`)},
		"no kind":         {ID: "1", JSON: []byte(`{"id":"1"}`)},
		"a reserved kind": {Kind: "_info", ID: "1", JSON: []byte(`{"id":"1"}`)},
	} {
		var unfit *snapshot.EntityError
		if _, err := snapshot.Seal([]snapshot.Entity{e}); !errors.As(err, &unfit) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOpenRefusesOtherLayouts(t *testing.T) {
	good := string(seal(t, []snapshot.Entity{consumer(1), route(1, ""), route(2, "")}).Canonical())
	for _, bad := range []string{
		"", "{}", "\n", good[:len(good)-1], good + "\n", strings.Replace(good, ",\n{", ",{", 1), strings.Replace(good, "3.0", "2.1", 1),
		strings.Replace(good, "consumers", "routes", 1), strings.Replace(good, "consumers", "zebras", 1),
		strings.Replace(good, `"id"`, `"ix"`, 1),
		strings.Replace(good, "],\n", "]\n", 1), good[:len(good)/2], strings.Replace(good, "\n]}", ",\n]}", 1),
		"{\"_format_version\":\"3.0\",\n\"routes\":[\n]}\n", "{\"_format_version\":\"3.0\",\n}\n",
	} {
		if _, err := snapshot.Open([]byte(bad)); !errors.Is(err, snapshot.ErrLayout) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	// Whatever it is, it must not panic.
	for i := range good {
		_, _ = snapshot.Open([]byte(good[:i]))
		_, _ = snapshot.Open([]byte(good[i:]))
	}
}

func TestScanTellsLinesAndOffsets(t *testing.T) {
	s := seal(t, []snapshot.Entity{consumer(1), route(1, ""), route(2, "")})
	var kinds []string
	err := snapshot.Scan(s.Canonical(), func(kind string, line []byte, offset int) {
		kinds = append(kinds, kind)
		if got := string(s.Canonical()[offset:][:len(line)]); got != string(line) || line[0] != '{' {
			t.Errorf("at %d is %q, not %q", offset, got, line)
		}
	})
	if diff := cmp.Diff([]string{"consumers", "routes", "routes"}, kinds); err != nil || diff != "" {
		t.Errorf("%v -want +got\n%s", err, diff)
	}
}

func TestChunksAreWithinTheirSizes(t *testing.T) {
	all := routes(10_000)
	all = append(all, snapshot.Entity{Kind: "plugins", ID: "p", JSON: []byte(`{"id":"p","x":"` + strings.Repeat("x", 300<<10) + `"}`)})
	s := seal(t, all)
	m := s.Manifest()
	var total, small int
	for _, c := range m.Chunks {
		if c.Size > 128<<10 || c.Size < 1 {
			t.Errorf("a chunk of %d bytes", c.Size)
		}
		if c.Size < 8<<10 {
			small++
		}
		total += c.Size
	}
	if small > 3 { // the last, and those around the large plugin
		t.Errorf("%d chunks are too small", small)
	}
	if mean := total / len(m.Chunks); mean < 24<<10 || mean > 48<<10 {
		t.Errorf("chunks have %d bytes in the mean", mean)
	}
	if int64(total) != m.Size || m.Size != int64(len(s.Canonical())) {
		t.Errorf("chunks have %d bytes, the snapshot %d", total, m.Size)
	}
}

// TestChangesTouchFewChunks edits, inserts and removes one entity in 10,000, at
// random places and at the borders of the kinds.
func TestChangesTouchFewChunks(t *testing.T) {
	base := routes(10_000)
	for i := range 300 {
		base = append(base, consumer(2*i))
	}
	old := seal(t, base).Manifest()
	rng := rand.New(rand.NewPCG(3, 4))
	const trials = 60
	more := 0
	for i := range trials {
		at := rng.IntN(10_000)
		if i < 4 {
			at = []int{0, 9_999, 10_000, 10_299}[i]
		}
		changed := slices.Clone(base)
		what := []string{"edit", "insert", "remove"}[i%3]
		switch e := base[at]; {
		case what == "edit":
			changed[at].JSON = []byte(strings.Replace(string(e.JSON), `{"`, fmt.Sprintf(`{"a":"%x","`, rng.Uint64()), 1))
		case what == "remove":
			changed = slices.Delete(changed, at, at+1)
		case e.Kind == "routes":
			changed = append(changed, route(2*at+1, ""))
		default:
			changed = append(changed, consumer(2*(at-10_000)+1))
		}
		now := seal(t, changed).Manifest()
		d := snapshot.Diff(old, now)
		if len(d.Added) == 0 || len(d.Added) > 4 || len(d.Removed) > 4 {
			t.Errorf("%s at %d: %d chunks added, %d removed", what, at, len(d.Added), len(d.Removed))
		}
		if len(d.Added) > 2 || len(d.Removed) > 2 {
			more++
		}
	}
	// A change of size can bring a chunk over or under its least size.
	if more > trials/30 {
		t.Errorf("%d of %d changes touched more than two chunks", more, trials)
	}
}

func TestManifestSurvivesItsEncoding(t *testing.T) {
	for _, count := range []int{0, 1, 10_000} {
		m := seal(t, routes(count)).Manifest()
		encoded, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if most := 50 + 36*len(m.Chunks); len(encoded) > most {
			t.Errorf("%d chunks take %d bytes, more than %d", len(m.Chunks), len(encoded), most)
		}
		var got snapshot.Manifest
		if err := got.UnmarshalBinary(encoded); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if count > 1 {
			continue
		}
		for i := range encoded {
			bad := slices.Clone(encoded)
			bad[i] ^= 0x20
			if err := new(snapshot.Manifest).UnmarshalBinary(bad); !errors.Is(err, snapshot.ErrManifest) {
				t.Errorf("byte %d damaged: got %v", i, err)
			}
			if err := new(snapshot.Manifest).UnmarshalBinary(encoded[:i]); !errors.Is(err, snapshot.ErrManifest) {
				t.Errorf("cut at %d: got %v", i, err)
			}
		}
	}
	if _, err := (snapshot.Manifest{Digest: fleet.Digest("md5:1")}).MarshalBinary(); !errors.Is(err, snapshot.ErrManifest) {
		t.Errorf("a malformed digest: got %v", err)
	}
}

func TestPairs(t *testing.T) {
	line := func(kind, id, fields string) snapshot.Entity {
		return snapshot.Entity{Kind: kind, ID: id, Key: id, JSON: []byte(`{` + fields + `}`)}
	}
	old := seal(t, []snapshot.Entity{
		line("consumers", "1", `"id":"1","username":"ann"`),
		line("keyauth_credentials", "5", `"consumer":{"id":"1"},"id":"5","key":"hunter2"`),
		line("routes", "2", `"hosts":["a","b"],"id":"2","name":"orders","service":{"id":"9"}`),
		line("routes", "3", `"id":"3","name":"same"`),
	}).Canonical()
	now := seal(t, []snapshot.Entity{
		line("keyauth_credentials", "5", `"consumer":{"id":"1"},"id":"5","key":"hunter3"`),
		line("plugins", "7", `"id":"7","name":"cors"`),
		line("routes", "2", `"hosts":["a","c","d"],"id":"2","name":"orders","service":{"id":"8"},"tags":["x"]`),
		line("routes", "3", `"id":"3","name":"same"`),
	}).Canonical()
	if added, changed, removed, err := snapshot.Summarize(old, now); added != 1 || changed != 2 || removed != 1 || err != nil {
		t.Errorf("counted %d added, %d changed, %d removed, %v", added, changed, removed, err)
	}
	got, err := snapshot.Pairs(old, now)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range got {
		lines = append(lines, fmt.Sprintf("%s %s %s %q %q", p.Op, p.Kind, p.ID, snapshot.NameOf(p.Old), snapshot.NameOf(p.New)))
		if (p.Old == nil) != (p.Op == snapshot.Added) || (p.New == nil) != (p.Op == snapshot.Removed) {
			t.Errorf("%s %s has the lines %s, %s", p.Op, p.ID, p.Old, p.New)
		}
	}
	want := []string{
		`removed consumers 1 "ann" ""`, `changed keyauth_credentials 5 "" ""`, `added plugins 7 "" "cors"`, `changed routes 2 "orders" "orders"`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got, err := snapshot.Pairs(nil, now); err != nil || len(got) != 4 {
		t.Errorf("from nothing: %d pairs, %v", len(got), err)
	}
}

func BenchmarkPairs(b *testing.B) {
	base := routes(10_000)
	old := seal(b, base).Canonical()
	base[10], base[9000] = route(20, `,"a"`), route(18_000, `,"b"`)
	now := seal(b, base).Canonical()
	for b.Loop() {
		if changes, err := snapshot.Pairs(old, now); err != nil || len(changes) != 2 {
			b.Fatal(changes, err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	all := routes(10_000)
	b.ReportAllocs()
	for b.Loop() {
		s := seal(b, all)
		b.SetBytes(s.Size())
	}
}

// TestSealAsIs: the first line says that nothing is to be hashed, and all else is as ever.
func TestSealAsIs(t *testing.T) {
	entities := []snapshot.Entity{{Kind: "consumers", ID: "1", JSON: []byte(`{"id":"1"}`)}}
	for _, tc := range []struct {
		entities []snapshot.Entity
		want     string
	}{
		{entities, "{\"_format_version\":\"3.0\",\"_transform\":false,\n\"consumers\":[\n{\"id\":\"1\"}\n]}\n"},
		{nil, "{\"_format_version\":\"3.0\",\"_transform\":false}\n"},
	} {
		s, err := snapshot.SealAsIs(tc.entities)
		if err != nil || string(s.Canonical()) != tc.want || !snapshot.IsAsIs(s.Canonical()) {
			t.Fatalf("got %s, %v, want %s", s.Canonical(), err, tc.want)
		}
		opened, err := snapshot.Open(s.Canonical())
		if err != nil || opened.Digest() != s.Digest() || len(opened.Counts()) != len(s.Counts()) {
			t.Errorf("%s cannot be opened: %v", s.Canonical(), err)
		}
		other, err := snapshot.Seal(tc.entities)
		if err != nil || other.Digest() == s.Digest() || snapshot.IsAsIs(other.Canonical()) {
			t.Errorf("sealed to be hashed: %s, %v", other.Canonical(), err)
		}
		if changes, err := snapshot.Pairs(other.Canonical(), s.Canonical()); err != nil || len(changes) > 0 {
			t.Errorf("changes %v, %v", changes, err)
		}
	}
	for _, bad := range []string{"{\"_format_version\":\"3.0\",\"_transform\":true}\n",
		"{\"_format_version\":\"3.0\",\"_transform\":false,\"consumers\":[]}\n"} {
		if _, err := snapshot.Open([]byte(bad)); err == nil {
			t.Errorf("%s: opened", bad)
		}
	}
}
