package compile_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
	"unicode"

	"github.com/silverback-gateway/silverback/services/translator/internal/compile"
)

var seeds = []string{
	"_format_version: \"3.0\"\nservices:\n- name: a\n  url: http://h:1/p\n  routes:\n  - paths: [/a]\n    plugins: [{name: cors, config: {a: null}}]\n",
	"_format_version: \"1.1\"\n_info: {select_tags: [t], defaults: {service: {retries: 1}}}\nroutes: [{name: r, paths: ['/a[0-9]']}]\n",
	"_format_version: \"3.0\"\nconsumers:\n- username: u\n  groups: [{name: g}]\n  acls: [{group: x}]\n  keyauth_credentials: [{key: k}]\nconsumer_groups: [{name: g}]\n",
	"_format_version: \"3.0\"\nupstreams: [{name: u, targets: [{target: 'a:1'}]}]\nvaults: [{name: env, prefix: my-env, config: {prefix: X}}]\n",
	"_format_version: \"3.0\"\ncustom_entities: [{type: degraphql_routes, fields: {uri: /a, query: q, service: {name: s}}}]\nservices: [&s {name: s, host: h}]\n",
	`{"_format_version":"3.0","services":[{"name":"a","host":"h","routes":[{"paths":["/a"]},{"paths":["/a"]}]}],"plugins":[{"name":"p","route":{"id":"x"}}]}`,
	`{"_format_version":"3.0","certificates":[{"cert":"-----BEGIN X-----\n-----END X-----","key":"{vault://a/b}","snis":["a.b",{"name":"c.d"}]}]}`,
	"_format_version: 3.0\n_transform: no\nservices: {}\n",
}

// judge checks what must hold for any input: no panic, clean messages, the same
// answer each time.
func judge(t *testing.T, c *compile.Compiler, name string, text []byte) {
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
		if s := p.String(); strings.ContainsFunc(s, unicode.IsControl) || p.Class == "" || p.Message == "" {
			t.Fatalf("a problem is not clean: %q", s)
		}
	}
}

func FuzzParseYAML(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	c := compile.New(compile.DefaultLimits())
	f.Fuzz(func(t *testing.T, text []byte) { judge(t, c, "a.yaml", text) })
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	c := compile.New(compile.DefaultLimits())
	f.Fuzz(func(t *testing.T, text []byte) { judge(t, c, "a.json", text) })
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
	f.Fuzz(func(_ *testing.T, stored []byte) {
		stored = binary.BigEndian.AppendUint32(bytes.Clone(stored), crc32.Checksum(stored, crc32.MakeTable(crc32.Castagnoli)))
		if fragment, err := c.Unmarshal(stored); err == nil {
			c.Merge(map[compile.SourceID]*compile.Fragment{"a": fragment})
		}
	})
}
