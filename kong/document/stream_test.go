package document_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/document"
)

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc) //nolint:gosec // far below
}

func allocated() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.TotalAlloc) //nolint:gosec // far below
}

func large(form string, entries int) []byte {
	var b strings.Builder
	if form == "json" {
		b.WriteString(`{"_format_version": "3.0", "services": [`)
	} else {
		b.WriteString("---\n_format_version: \"3.0\"\nservices:\n")
	}
	for i := range entries {
		if form == "json" {
			if i > 0 {
				b.WriteString(",\n")
			}
			fmt.Fprintf(&b,
				`{"name": "service-%d", "url": "http://h%d", "tags": ["a", "b"], "routes": [{"name": "route-%d", "paths": ["/a/%d", "/b/%d"],`+
					` "methods": ["GET", "POST"]}]}`, i, i, i, i, i)
		} else {
			fmt.Fprintf(&b, "- name: service-%d\n  url: http://h%d\n  tags: [a, b]\n  routes:\n  - name: route-%d\n    paths: [/a/%d, /b/%d]\n    "+
				"methods: [GET, POST]\n", i, i, i, i, i)
		}
	}
	if form == "json" {
		b.WriteString("]}\n")
	}
	return []byte(b.String())
}

// TestEntriesAreReadOneByOne looks at the heap while a document of about 15 MB is read, whose tree would take more than 200 MB.
func TestEntriesAreReadOneByOne(t *testing.T) {
	const entries = 100_000
	for _, form := range []string{"json", "yaml"} {
		text := large(form, entries)
		before := heap()
		doc, fault := document.Open("a."+form, text, document.DefaultLimits())
		if fault != nil {
			t.Fatal(fault)
		}
		most, seen := heap()-before, 0
		fault = doc.Each(doc.Roots[0].Get("services"), func(i int, e *document.Node) bool {
			if i != seen || e.Get("name").Text != fmt.Sprintf("service-%d", i) || len(e.Get("routes").Items) != 1 {
				t.Fatalf("entry %d is %s", i, document.Append(nil, e))
			}
			if seen++; i%(entries/10) == 0 {
				most = max(most, heap()-before)
			}
			return true
		})
		if fault != nil || seen != entries {
			t.Errorf("%s: %d entries, %v", form, seen, fault)
		}
		if bound := 48 << 20; most > bound {
			t.Errorf("%s of %d MB: %d MB of heap, at most %d", form, len(text)>>20, most>>20, bound>>20)
		}
		runtime.KeepAlive(text)
	}
}

// A text of many lines is read in parts too, although what is left of it without its lists has as many.
func TestManyLinesAreReadInParts(t *testing.T) {
	text := "a:\n" + strings.Repeat("- x\n", 1_500_000) + "b: 1\n"
	doc, fault := document.Open("a.yaml", []byte(text), document.DefaultLimits())
	if fault != nil {
		t.Fatal(fault)
	}
	if a := doc.Roots[0].Get("a"); a.Kind != document.List || len(a.Items) != 0 {
		t.Errorf("%d entries were read at once", len(a.Items))
	}
}

// TestWhatCannotBeReadInPiecesIsBounded: a text that would take more than there is for it is refused before it is read.
func TestWhatCannotBeReadInPiecesIsBounded(t *testing.T) {
	dense := strings.Repeat("1, ", 5_000_000)
	for name, tt := range map[string]struct {
		file, text string
		line       int
	}{
		"a list of YAML on one line": {"a.yaml", "a: [" + dense + "1]\n", 1},
		"one entry of YAML":          {"a.yaml", "a:\n- x\n- [" + dense + "1]\n", 1},
		"one entry of JSON":          {"a.json", `{"a": [1, [` + dense + `1]]}`, 1},
		"aliases across entries":     {"a.yaml", "a:\n- &x [" + dense + "1]\n- *x\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := allocated()
			doc, fault := document.Open(tt.file, []byte(tt.text), document.DefaultLimits())
			if fault == nil {
				fault = doc.Each(doc.Roots[0].Get("a"), func(int, *document.Node) bool { return true })
				if fault != nil {
					_, fault = doc.Whole(fault)
				}
			}
			if fault == nil || fault.Class != document.Limit || fault.Line < tt.line {
				t.Errorf("got %v", fault)
			}
			if took := allocated() - before; took > 700<<20 {
				t.Errorf("it took %d MB", took>>20)
			}
		})
	}
}

// TestAFaultIsThatOfTheWhole: what a fault is does not depend on how the document is read.
func TestAFaultIsThatOfTheWhole(t *testing.T) {
	good := string(large("yaml", 10_000))
	for name, tt := range map[string]struct{ end, want string }{
		"syntax at the end":   {"- name: [\n", "syntax"},
		"a repeated key":      {"- name: a\n  name: b\n", "duplicate"},
		"an alias of another": {"- *nowhere\n", "syntax"},
		"a tag":               {"- name: !!python/object x\n", "wrong-type"},
	} {
		text := []byte(good + tt.end)
		_, whole := document.Read("a.yaml", text, document.DefaultLimits())
		doc, fault := document.Open("a.yaml", text, document.DefaultLimits())
		if fault == nil {
			if fault = doc.Each(doc.Roots[0].Get("services"), func(int, *document.Node) bool { return true }); fault != nil {
				_, fault = doc.Whole(fault)
			}
		}
		if fault == nil || whole == nil || *fault != *whole || fault.Class != tt.want {
			t.Errorf("%s: %v, as a whole %v", name, fault, whole)
		}
	}
	// What an entry says by itself is not all: the document is good as a whole.
	text := strings.Replace(good, "tags: [a, b]", "tags: &tags [a, b]", 1) + "- name: last\n  tags: *tags\n"
	doc, fault := document.Open("a.yaml", []byte(text), document.DefaultLimits())
	if fault != nil {
		t.Fatal(fault)
	}
	if fault = doc.Each(doc.Roots[0].Get("services"), func(int, *document.Node) bool { return true }); fault == nil {
		t.Fatal("the alias was taken without its anchor")
	}
	if doc, fault = doc.Whole(fault); fault != nil || len(doc.Roots[0].Get("services").Items) != 10_001 {
		t.Errorf("as a whole: %v", fault)
	}
}
