package document

import (
	"fmt"
	"strings"
	"testing"
)

const plain = "_format_version: \"3.0\"\n# about\n_info:\n  select_tags: [a]\nservices:\n# first\n- name: a\n  url: http://a\n  " +
	"routes:\n  - name: r\n    paths:\n    - /a\n    - /b\n\n" +
	"- name: b\n  script: |+\n    - not an entry\n    # nor a comment\n\n\n- name: &x c\n  again: *x\n# after\nplugins: # none\nroutes:\n  " +
	"- name: d\n    tags:\n    - x\n  - name: \"e\n      more\"\n"

// describe writes all that matters of a tree.
func describe(b *strings.Builder, n *Node) {
	fmt.Fprintf(b, "(%d %q %d:%d", n.Kind, n.Text, n.Pos>>32, n.Pos&0xffffffff)
	for _, e := range n.Items {
		describe(b, e)
	}
	for _, k := range n.Keys {
		fmt.Fprintf(b, " %q %d:%d ", k.Name, k.Pos>>32, k.Pos&0xffffffff)
		describe(b, k.Value)
	}
	b.WriteString(")")
}

// readInParts reads a text in parts of a size, and puts the lists that were left into the tree; nil when that does not go.
func readInParts(text string, size int) (*Document, *Fault) {
	doc, fault := openYAML([]byte(text), size, DefaultLimits())
	if doc == nil || fault != nil {
		return nil, fault
	}
	for _, k := range doc.Roots[0].Keys {
		list := k.Value
		if doc.deferred[list] == nil {
			continue
		}
		if fault := doc.Each(list, func(_ int, e *Node) bool { list.Items = append(list.Items, e); return true }); fault != nil {
			return nil, fault
		}
	}
	return doc, nil
}

// sameAsWhole fails the test if a text that was read in parts means something else as a whole. It reports whether it was read in parts.
func sameAsWhole(t *testing.T, text string) bool {
	t.Helper()
	inParts, _ := readInParts(text, 1)
	if inParts == nil {
		return false
	}
	whole, fault := readYAML([]byte(text), DefaultLimits())
	if fault != nil {
		t.Fatalf("%q is refused as a whole: %v", text, fault)
	}
	if len(whole.Roots) != 1 {
		t.Fatalf("%q has %d documents", text, len(whole.Roots))
	}
	var got, want strings.Builder
	describe(&got, inParts.Roots[0])
	describe(&want, whole.Roots[0])
	if got.String() != want.String() {
		t.Fatalf("%q\nin parts: %s\n   whole: %s", text, &got, &want)
	}
	return true
}

func TestPartsMeanTheSameAsTheWhole(t *testing.T) {
	for name, text := range map[string]string{
		"plain": plain, "crlf": strings.ReplaceAll(plain, "\n", "\r\n"), "no last line break": strings.TrimSpace(plain),
		"entries of scalars": "a:\n- x\n- y: 1\n- [1,\n  2]\n", "a mark at its beginning": "# c\n---\na:\n- x\n- y\n",
	} {
		if !sameAsWhole(t, text) {
			t.Errorf("%s: was read as a whole", name)
		}
	}
}

func TestWhatIsNotPlainIsReadAsAWhole(t *testing.T) {
	for name, text := range map[string]string{
		"a value and a list":           "a: b\n- x\n- y\n",
		"an alias across entries":      "a:\n- &x {k: 1}\n- *x\n",
		"a quote across entries":       "a:\n- \"x\n- y\"\n- z\n",
		"brackets across entries":      "a:\n- [x,\n- y]\n- z\n",
		"a quote around a key":         "_comment: \"x\na:\n- x\n- y\n\"\n",
		"brackets around a key":        "b: {c: d,\na:\n- x\n- y\n}\n",
		"a mark before a second":       "---\na:\n- x\n- y\n---\nb: 1\n",
		"two marks":                    "---\n---\na:\n- x\n- y\n",
		"several documents":            "a:\n- x\n- y\n---\nb: 1\n",
		"a directive":                  "%YAML 1.1\n---\na:\n- x\n- y\n",
		"a bare dash":                  "a:\n- x\n-\n  y: 1\n",
		"a list that ends and begins":  "a:\n  - x\n- y\n",
		"an old line break":            "a:\n- x\r- y\n- z\n",
		"a line separator":             "a:\n- x\u2028b: 1\n- z\n",
		"a list at the root":           "- x\n- y\n",
		"a tag":                        "a: !!seq\n- x\n- y\n",
		"a map below the key":          "a:\n  b: c\n- x\n- y\n",
		"a value that goes on":         "a:\n- x\n- y\n z\nb:\n  text\n- u\n- v\n",
		"an error within an entry":     "a:\n- x: [\n- y\n",
		"a tab in place of the indent": "a:\n- x: 1\n\ty: 2\n- z\n",
	} {
		if sameAsWhole(t, text) {
			t.Errorf("%s: was read in parts", name)
		}
	}
}

// FuzzSplit: whatever is read in parts means the same as the whole.
func FuzzSplit(f *testing.F) {
	f.Add(plain)
	f.Add("a:\n- \"x\n- y\"\n- |\n  z\n# c\n- ? q\n  : r\nb: {c: d}\n")
	f.Add("a:\n  - &x {k: 1}\n  - <<: *x\n  - 'it''s'\nb:\n- >-\n  t\n\n  u\n- - v\n  - w\n")
	f.Fuzz(func(t *testing.T, text string) {
		if text, fault := decodeText([]byte(text)); fault == nil {
			sameAsWhole(t, string(text))
		}
	})
}
