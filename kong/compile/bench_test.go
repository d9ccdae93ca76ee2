package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// routesYAML and routesJSON make a configuration of n routes, ten to a service,
// about as large per route as real ones are.
func routesYAML(n int) []byte {
	var b strings.Builder
	b.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range n {
		if i%10 == 0 {
			fmt.Fprintf(&b, "- name: service-%05d\n  url: http://backend-%05d.internal:8080/base\n  retries: 3\n  tags: [team-%d]\n  routes:\n",
				i/10, i/10, i%7)
		}
		fmt.Fprintf(&b, "  - name: route-%05d\n    hosts:\n    - api-%05d.example.com\n    paths:\n    - /v1/resource-%05d\n    - "+
			"/v2/resource-%05d\n    methods: [GET, POST]\n    strip_path: false\n    preserve_host: true\n    tags: [team-%d, prod]\n", i, i, i, i,
			i%7)
	}
	return []byte(b.String())
}

func routesJSON(n int) []byte {
	var b strings.Builder
	b.WriteString("{\n\"_format_version\": \"3.0\",\n\"services\": [")
	for i := range n {
		if i%10 == 0 {
			if i > 0 {
				b.WriteString("]},")
			}
			fmt.Fprintf(&b, "\n{\"name\": \"service-%05d\", \"url\": \"http://backend-%05d.internal:8080/base\", \"retries\": 3, \"tags\": "+
				"[\"team-%d\"], \"routes\": [", i/10, i/10, i%7)
		} else {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  {\"name\": \"route-%05d\", \"hosts\": [\"api-%05d.example.com\"], \"paths\": [\"/v1/resource-%05d\", "+
			"\"/v2/resource-%05d\"], \"methods\": [\"GET\", \"POST\"], \"strip_path\": false, \"preserve_host\": true, \"tags\": [\"team-%d\", "+
			"\"prod\"]}", i, i, i, i, i%7)
	}
	b.WriteString("]}]}\n")
	return []byte(b.String())
}

func benchmark(b *testing.B, name string, text []byte) {
	c := compile.New(compile.DefaultLimits())
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		f, problems := c.Parse([]compile.Document{{Name: name, Content: text}})
		if problems != nil {
			b.Fatal(problems)
		}
		if _, problems = c.Merge(map[compile.SourceID]*compile.Fragment{"main": f}); problems != nil {
			b.Fatal(problems)
		}
	}
}

func BenchmarkJSON10k(b *testing.B) { benchmark(b, "a.json", routesJSON(10_000)) }
func BenchmarkYAML10k(b *testing.B) { benchmark(b, "a.yaml", routesYAML(10_000)) }

func BenchmarkMerge10k(b *testing.B) {
	c := compile.New(compile.DefaultLimits())
	f, _ := c.Parse([]compile.Document{{Name: "a.json", Content: routesJSON(10_000)}})
	for b.Loop() {
		if _, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"main": f}); problems != nil {
			b.Fatal(problems)
		}
	}
}

func BenchmarkUnmarshal10k(b *testing.B) {
	c := compile.New(compile.DefaultLimits())
	f, _ := c.Parse([]compile.Document{{Name: "a.json", Content: routesJSON(10_000)}})
	stored := f.Marshal()
	b.SetBytes(int64(len(stored)))
	for b.Loop() {
		if _, err := c.Unmarshal(stored); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHumanize10k(b *testing.B) {
	c := compile.New(compile.DefaultLimits())
	f, _ := c.Parse([]compile.Document{{Name: "a.json", Content: routesJSON(10_000)}})
	result, _ := c.Merge(map[compile.SourceID]*compile.Fragment{"main": f})
	snap, err := snapshot.Seal(result.Entities)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Render(snap.Canonical(), compile.FormKong, nil); err != nil {
			b.Fatal(err)
		}
	}
}
