package compile_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
)

func services(n int) string {
	var b strings.Builder
	b.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range n {
		fmt.Fprintf(&b, "- name: service-%d\n  url: http://h%d\n  tags: [a, b]\n", i, i)
	}
	return b.String()
}

// A document of which the entries were compiled when it turned out to be unreadable tells why it is, and nothing of its entries.
func TestALargeDocumentIsCompiledWholeOrNotAtAll(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	good, lines := services(10_000), 2+3*10_000
	first := compile.Document{Name: "0.yaml", Content: []byte("_format_version: \"3.0\"\nservices: [{name: first, host: h}]\n")}
	_, problems := c.Parse([]compile.Document{first, {Name: "a.yaml", Content: []byte(strings.Replace(good, "url:", "ulr:", 3) +
		"- name: [\n")}})
	if len(problems) != 1 || problems[0].Class != compile.Syntax || problems[0].Document != "a.yaml" || problems[0].Line < lines {
		t.Errorf("got %v", problems)
	}
	// An alias of another entry is only found out at the end.
	text := strings.Replace(good, "tags: [a, b]", "tags: &tags [c, d]", 1) + "- name: last\n  host: h\n  tags: *tags\n"
	f, problems := c.Parse([]compile.Document{first, {Name: "a.yaml", Content: []byte(text)}})
	if problems != nil || f.Len() != 10_002 {
		t.Errorf("got %v", problems)
	}
	result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"s": f})
	if problems != nil {
		t.Fatal(problems)
	}
	for i, from := range result.Origins {
		if from.Name == "last" && (from.Line != lines+1 || !strings.Contains(string(result.Entities[i].JSON), `"tags":["c","d"]`)) {
			t.Errorf("the last is at line %d: %s", from.Line, result.Entities[i].JSON)
		}
	}
}

// TestProblemsEndTheReading: a large file of nothing but mistakes takes no time.
func TestProblemsEndTheReading(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	text := []byte(strings.ReplaceAll(services(200_000), "url:", "ulr:"))
	before := allocated()
	_, problems := c.Parse([]compile.Document{{Name: "a.yaml", Content: text}, {Name: "b.yaml", Content: text}})
	if len(problems) != 101 || problems[0].Line != 4 || !strings.Contains(problems[0].Message, `did you mean "url"`) {
		t.Errorf("%d problems, the first %v", len(problems), problems[0])
	}
	if took := allocated() - before; took > 100<<20 {
		t.Errorf("it took %d MB for a document of %d MB", took>>20, len(text)>>20)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
