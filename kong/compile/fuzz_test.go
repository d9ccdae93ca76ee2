package compile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/silverback-gateway/silverback/kong/compile"
)

var seeds = []string{
	"_format_version: \"3.0\"\nservices:\n- name: a\n  url: http://h:1/p\n  routes:\n  - paths: [/a]\n    plugins: [{name: cors, config: " +
		"{a: null}}]\n",
	"_format_version: \"1.1\"\n_info: {select_tags: [t], defaults: {service: {retries: 1}}}\nroutes: [{name: r, paths: ['/a[0-9]']}]\n",
	"_format_version: \"3.0\"\nconsumers:\n- username: u\n  groups: [{name: g}]\n  acls: [{group: x}]\n  keyauth_credentials: [{key: " +
		"k}]\nconsumer_groups: [{name: g}]\n",
	"_format_version: \"3.0\"\nupstreams: [{name: u, targets: [{target: 'a:1'}]}]\nvaults: [{name: env, prefix: my-env, config: {prefix: " +
		"X}}]\n",
	"_format_version: \"3.0\"\ncustom_entities: [{type: degraphql_routes, fields: {uri: /a, query: q, service: {name: s}}}]\nservices: [&s " +
		"{name: s, host: h}]\n",
	`{"_format_version":"3.0","services":[{"name":"a","host":"h","routes":[{"paths":["/a"]},{"paths":["/a"]}]}],"plugins":[{"name":"p",` +
		`"route":{"id":"x"}}]}`,
	`{"_format_version":"3.0","certificates":[{"cert":"-----BEGIN X-----\n-----END X-----","key":"{vault://a/b}","snis":["a.b",` +
		`{"name":"c.d"}]}]}`,
	"_format_version: 3.0\n_transform: no\nservices: {}\n",
}

// hold checks what must hold for any input: no panic, clean messages, the same
// answer each time.
func hold(t *testing.T, c *compile.Compiler, name string, text []byte) {
	t.Helper()
	docs := []compile.Document{{Name: name, Content: text}}
	snap, _, problems, err := build(c, docs)
	if err != nil {
		t.Fatalf("neither a snapshot nor a problem: %v", err)
	}
	again, _, others, _ := build(c, docs)
	if snap != nil && !bytes.Equal(snap.Canonical(), again.Canonical()) || lines(problems) != lines(others) {
		t.Fatal("another answer the second time")
	}
	for _, p := range problems {
		if s := p.String(); strings.ContainsFunc(s, unicode.IsControl) || p.Class.String() == "" || p.Message == "" {
			t.Fatalf("a problem is not clean: %q", s)
		}
	}
}

func FuzzParseYAML(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	c := compile.New(compile.DefaultLimits())
	f.Fuzz(func(t *testing.T, text []byte) { hold(t, c, "a.yaml", text) })
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	c := compile.New(compile.DefaultLimits())
	f.Fuzz(func(t *testing.T, text []byte) { hold(t, c, "a.json", text) })
}

// FuzzRoundTrip: what is written for people compiles to the same bytes.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	c := compile.New(compile.DefaultLimits())
	f.Fuzz(func(t *testing.T, text []byte) {
		roundTrip(t, c, []compile.Document{{Name: "a.yaml", Content: text}})
	})
}

// FuzzUnmarshal: a stored fragment that is damaged is refused, never a panic, even
// when its checksum is right.
func FuzzUnmarshal(f *testing.F) {
	c := compile.New(compile.DefaultLimits())
	for _, s := range seeds {
		if fragment, _ := c.Parse([]compile.Document{{Name: "a.yaml", Content: []byte(s)}}); fragment != nil {
			stored := fragment.Marshal()
			f.Add(stored[:len(stored)-crc32.Size])
		}
	}
	for _, stored := range astray(f, c) {
		f.Add(stored)
	}
	f.Fuzz(func(_ *testing.T, stored []byte) { _ = unmarshalAndMerge(c, stored) }) // an error is fine, a panic is not
}

func unmarshalAndMerge(c *compile.Compiler, stored []byte) error {
	stored = binary.BigEndian.AppendUint32(bytes.Clone(stored), crc32.Checksum(stored, crc32.MakeTable(crc32.Castagnoli)))
	fragment, err := c.Unmarshal(stored)
	if err == nil {
		c.Merge(map[compile.SourceID]*compile.Fragment{"a": fragment})
	}
	return err
}

// astray are stored fragments, without their checksums, of a service with a route with a plugin, in which the plugin says that its route is
// an item that is none, or that comes after it.
func astray(tb testing.TB, c *compile.Compiler) map[string][]byte {
	tb.Helper()
	fragment, problems := c.Parse([]compile.Document{{Name: "a.yaml", Content: []byte(seeds[0])}})
	if len(problems) > 0 {
		tb.Fatal(lines(problems))
	}
	stored := fragment.Marshal()
	stored = stored[:len(stored)-crc32.Size]
	form := func(target string, local byte) []byte { return append([]byte(target), 0, 0, 0, local) } // no id, no name, nothing else
	all := map[string][]byte{}
	for name, change := range map[string]struct{ from, to []byte }{
		"the route of a plugin is the service": {form("routes", 2), form("routes", 1)},
		"the route of a plugin is itself":      {form("routes", 2), form("routes", 3)},
		"the service of a route is itself":     {form("services", 1), form("services", 2)},
		"the service of a route comes later":   {form("services", 1), form("services", 3)},
	} {
		if bytes.Count(stored, change.from) != 1 {
			tb.Fatalf("%s: the fragment has another form", name)
		}
		all[name] = bytes.Replace(stored, change.from, change.to, 1)
	}
	return all
}

// TestReferencesOfAStoredFragmentLeadSomewhere, and backwards, for so they are resolved.
func TestReferencesOfAStoredFragmentLeadSomewhere(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for name, stored := range astray(t, c) {
		if err := unmarshalAndMerge(c, stored); !errors.Is(err, compile.ErrFragment) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An input that a fuzzer found, where it is at hand.
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "..", "shared", "cases", "fuzz-unmarshal-f1ad28e5569cbdf1"))
	if err != nil {
		return
	}
	_, quoted, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(string(text)), ")"), "[]byte(")
	stored, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatal(err)
	}
	if err := unmarshalAndMerge(c, []byte(stored)); !errors.Is(err, compile.ErrFragment) {
		t.Errorf("the found input: %v", err)
	}
}

// TestAFewBytesAskForLittle: a stored fragment says how much follows; that is not believed beyond what its bytes can hold.
func TestAFewBytesAskForLittle(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	stored := []byte{1, 0, 0}
	stored = binary.AppendUvarint(stored, 4<<20) // items
	stored = append(stored, make([]byte, 4<<20)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := unmarshalAndMerge(c, stored)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, compile.ErrFragment) || took > 64<<20 {
		t.Errorf("%v, and it took %d bytes", err, took)
	}
}
