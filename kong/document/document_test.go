package document_test

import (
	"encoding/json"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/document"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, file, text, want string // want is canonical JSON, or a class with a line
	}{
		{"json", "a.json", `{"b":[1,2.50,true,null,"x\u00e9\n"],"a":{}}`, `{"a":{},"b":[1,2.5,true,null,"xé\n"]}`},
		{"json in a file of another name", "a.txt", ` {"a": 1}`, `{"a":1}`},
		{"yaml flow that is not json", "a.yaml", `{a: 1}`, `{"a":1}`},
		{"json with a comment", "a.json", "{\n# no\n}", "syntax 2"},
		{"json that ends early", "a.json", `{"a":`, "syntax 1"},
		{"json with a tail", "a.json", "{}\n{}", "syntax 2"},
		{"json with a repeated key", "a.json", "{\"a\":1,\n\"\\u0061\":2}", "duplicate 2"},
		{"json with half a surrogate", "a.json", `{"a":"\ud800"}`, "encoding 1"},
		{"json surrogate pair", "a.json", `{"a":"\ud83d\ude00"}`, `{"a":"😀"}`},
		{"json with a leading zero", "a.json", `{"a":01}`, "syntax 1"},
		{"json beyond 64 bits", "a.json", `{"a":9223372036854775808}`, "wrong-type 1"},
		{"json beyond doubles", "a.json", `{"a":1e400}`, "wrong-type 1"},
		{"big integers stay exact", "a.yaml", "a: 9007199254740993", `{"a":9007199254740993}`},
		{"yaml anchors", "a.yaml", "a: &x {k: [1]}\nb: *x\n", `{"a":{"k":[1]},"b":{"k":[1]}}`},
		{"yaml merge: own keys win", "a.yaml", "a: &x {k: 1, l: 2}\nb:\n  k: 3\n  <<: *x\n", `{"a":{"k":1,"l":2},"b":{"k":3,"l":2}}`},
		{"yaml merge list: the first wins", "a.yaml", "b:\n  <<: [{k: 1}, {k: 2, l: 2}]\n", `{"b":{"k":1,"l":2}}`},
		{"yaml cycle", "a.yaml", "a: &x [*x]", "limit 1"},
		{"yaml merge of a scalar", "a.yaml", "a:\n  <<: 1\n", "wrong-type 2"},
		{"yaml timestamps are text", "a.yaml", "a: 2024-01-01", `{"a":"2024-01-01"}`},
		{"yaml octal", "a.yaml", "a: 0120", "wrong-type 1"},
		{"yaml octal in quotes", "a.yaml", "a: '0120'", `{"a":"0120"}`},
		{"yaml infinity", "a.yaml", "a: .inf", "wrong-type 1"},
		{"yaml tag", "a.yaml", "a: !!python/object x", "wrong-type 1"},
		{"yaml binary", "a.yaml", "a: !!binary aGk=", "wrong-type 1"},
		{"yaml string tag", "a.yaml", `a: !!str 3.0`, `{"a":"3.0"}`},
		{"yaml repeated key", "a.yaml", "a: 1\nb: 2\na: 3\n", "duplicate 3"},
		{"yaml number as key", "a.yaml", "1: 2", "wrong-type 1"},
		{"yaml tab", "a.yaml", "a:\n\tb: 1\n", "syntax 2"},
		{"bom and crlf", "a.yaml", "\ufeffa: 1\r\nb: x\r\n", `{"a":1,"b":"x"}`},
		{"utf-16", "a.yaml", "\xff\xfea\x00", "encoding 1"},
		{"latin-1", "a.yaml", "a: b\nc: \xe9\n", "encoding 2"},
		{"nul", "a.yaml", "a: b\n\x00", "encoding 2"},
		{"blank", "a.yaml", "  \n\n", "empty 1"},
		{"comment", "a.yaml", "# x\n", "empty 1"},
		{"null", "a.json", "null", "empty 1"},
		{"deep json", "a.json", strings.Repeat("[", 1000), "limit 1"},
		{"deep yaml", "a.yaml", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "limit 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, fault := document.Read(c.file, []byte(c.text), document.DefaultLimits())
			var got string
			if fault != nil {
				got = fault.Class + " " + string(rune('0'+fault.Line))
			} else {
				got = string(document.Append(nil, doc.Roots[0]))
			}
			if got != c.want {
				t.Errorf("%q: got %s (%v), want %s", c.text, got, fault, c.want)
			}
		})
	}
}

// TestAppend: the canonical form of what JSON can write in several ways.
func TestAppend(t *testing.T) {
	for in, want := range map[string]string{
		` { "b" : [ { "z":1, "a" : 2 } ], "a" : { } } `:      `{"a":{},"b":[{"a":2,"z":1}]}`,
		`{"\u0062":1,"a":2}`:                                 `{"a":2,"b":1}`,
		`{"ab":1,"a":2}`:                                     `{"a":2,"ab":1}`,
		`[1.0,1.50,-0,-0.0,0.0,1e3,1E+2,0.10]`:               `[1,1.5,0,0,0,1000,100,0.1]`,
		`[9007199254740993,1e21,1e20,1.5e-7,123e-20]`:        `[9007199254740993,1e+21,100000000000000000000,1.5e-7,1.23e-18]`,
		`["\u003c\/\u00e9\ud83d\ude00\u2028"]`:               "[\"</é😀\u2028\"]",
		`["\u000a\u0009\u0008\u000c\u000d\u0001\u001f\"\\"]`: `["\n\t\b\f\r\u0001\u001f\"\\"]`,
		`{"a":null}`:   `{"a":null}`,
		`[[],{},""]`:   `[[],{},""]`,
		`[1e-7,-1e-6]`: `[1e-7,-0.000001]`,
	} {
		doc, fault := document.Read("a.json", []byte(in), document.DefaultLimits())
		if fault != nil {
			t.Errorf("%s: %v", in, fault)
			continue
		}
		if got := string(document.Append(nil, doc.Roots[0])); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// TestReadRefuses: JSON that is malformed, ambiguous or out of range.
func TestReadRefuses(t *testing.T) {
	for _, in := range []string{
		``, ` `, `{`, `[`, `"`, `"\`, `"\u12"`, `"\ud800"`, `"\ud800\u0041"`, "\"\xff\"", "\"\n\"", `{"a":1,"a":2}`, `{"\u0061":1,"b":2,"a":2}`,
		`{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `[1,]`, `[1 2]`, `01`, `-`, `1.`, `.5`, `1e`, `+1`, `1e400`, `nul`, `NaN`, `1 1`, `{}x`, `"\x"`,
		strings.Repeat("[", 1_000_000), strings.Repeat("9", 310),
	} {
		if doc, fault := document.Read("a.json", []byte(in), document.DefaultLimits()); fault == nil {
			t.Errorf("%.40q: got %s", in, document.Append(nil, doc.Roots[0]))
		}
	}
}

func TestStream(t *testing.T) {
	doc, fault := document.Read("a.yaml", []byte("a: 1\n---\nb: 2\n---\n"), document.DefaultLimits())
	if fault != nil || len(doc.Roots) != 2 {
		t.Fatalf("got %v, %v, want the two documents that hold something", doc, fault)
	}
}

func TestPlaces(t *testing.T) {
	for name, text := range map[string]string{
		"a.json": "{\n  \"a\": [\n    1,\n    \"x\"]}",
		"a.yaml": "# c\na:\n  - 1\n  - x\n",
	} {
		doc, fault := document.Read(name, []byte(text), document.DefaultLimits())
		if fault != nil {
			t.Fatal(fault)
		}
		if line, column := doc.At(doc.Roots[0].Get("a").Items[1].Pos); line != 4 || column != 5 {
			t.Errorf("%s: got %d:%d, want 4:5", name, line, column)
		}
	}
}

// TestBomb: what aliases stand for is counted, not copied.
func TestBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 20; i++ {
		p, n := string(rune('a'+i-1))+"0", string(rune('a'+i))+"0"
		b.WriteString(n + ": &" + n + " [*" + p + ", *" + p + ", *" + p + ", *" + p + ", *" + p + ", *" + p + ", *" + p + ", *" + p + "]\n")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, fault := document.Read("a.yaml", []byte(b.String()), document.DefaultLimits()); fault == nil || fault.Class != document.Limit {
		t.Errorf("got %v, want a limit", fault)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("took %d KiB", used>>10)
	}
}

// FuzzRead: no input makes the reader panic, and what it reads is canonical.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a: 1\n", `{"a":[1,2,{"b":null}]}`, "a: &x {k: 1}\nb: {<<: *x}\n", "- 'x'\n- |\n  y\n",
		"a: 1e3\n---\n...\n", `{"a":"\ud83d\ude00"}`} {
		f.Add("a.yaml", []byte(seed))
		f.Add("a.json", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		doc, fault := document.Read(name, text, document.DefaultLimits())
		if fault != nil {
			return
		}
		for _, root := range doc.Roots {
			out := document.Append(nil, root)
			if !json.Valid(out) {
				t.Fatalf("not JSON: %q", out)
			}
			again, fault := document.Read("a.json", out, document.DefaultLimits())
			if fault != nil || string(document.Append(nil, again.Roots[0])) != string(out) {
				t.Fatalf("not canonical: %q: %v", out, fault)
			}
			var want, got any
			if strings.HasSuffix(name, ".json") && json.Unmarshal(text, &want) == nil &&
				(json.Unmarshal(out, &got) != nil || !reflect.DeepEqual(got, want)) {
				t.Fatalf("%q is read as another value: %q", text, out)
			}
		}
	})
}
