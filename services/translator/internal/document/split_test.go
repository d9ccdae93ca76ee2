package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const plain = "_format_version: \"3.0\"\n# about\n_info:\n  select_tags: [a]\nservices:\n# first\n- name: a\n  url: http://a\n  routes:\n  - name: r\n    paths:\n    - /a\n    - /b\n\n" +
	"- name: b\n  script: |+\n    - not an entry\n    # nor a comment\n\n\n- &x\n  name: c\n  again: *x\n# after\nplugins: # none\nroutes:\n  - name: d\n    tags:\n    - x\n  - name: \"e\n      more\"\n"

// describe writes all that matters of a tree.
func describe(b *strings.Builder, n *yaml.Node) {
	alias := 0
	if n.Alias != nil {
		alias = n.Alias.Line
	}
	fmt.Fprintf(b, "(%d %q %s %d:%d %q %d", n.Kind, n.Value, n.ShortTag(), n.Line, n.Column, n.Anchor, alias)
	for _, child := range n.Content {
		describe(b, child)
	}
	b.WriteString(")")
}

// sameAsWhole fails the test if a text that was read in parts means something else as a whole. It reports whether it was read in parts.
func sameAsWhole(t *testing.T, text string) bool {
	t.Helper()
	inParts, ok := decodeParts([]byte(text), 1, 2)
	if !ok {
		return false
	}
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	var whole yaml.Node
	if err := decode(decoder, &whole); err != nil {
		t.Fatalf("%q is refused as a whole: %v", text, err)
	}
	if err := decode(decoder, &yaml.Node{}); !errors.Is(err, io.EOF) {
		t.Fatalf("%q has more documents: %v", text, err)
	}
	var got, want strings.Builder
	describe(&got, inParts)
	describe(&want, whole.Content[0])
	if got.String() != want.String() {
		t.Fatalf("%q\nin parts: %s\n   whole: %s", text, &got, &want)
	}
	return true
}

func TestPartsMeanTheSameAsTheWhole(t *testing.T) {
	for name, text := range map[string]string{
		"plain": plain, "crlf": strings.ReplaceAll(plain, "\n", "\r\n"), "no last line break": strings.TrimSpace(plain),
		"entries of scalars": "a:\n- x\n- y: 1\n- [1,\n  2]\n",
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
